"""Is everything that is wrong with a body named, each thing where it is, and never quoted?"""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.shared.errors import MAX_LISTED, DomainError
from messaging.entrypoints.api.decoding.bodies import Body, canonical
from messaging.entrypoints.api.decoding.shape import nul_violations, shape_violations
from messaging.entrypoints.api.v1.messages.messages import MessagesQuery
from messaging.entrypoints.api.v1.messages.submitting import SUBMIT, SubmitBody

GOOD: dict[str, Any] = {
    "to": "+14155550100",
    "channel": "whatsapp",
    "content": {"type": "template", "name": "order_update", "language": "en_US", "variables": {"1": "Ana"}},
}


def named(body: object) -> dict[str, str]:
    return {violation.pointer: violation.code for violation in shape_violations(body, SubmitBody)}


def test_a_good_body_has_no_violations() -> None:
    assert named(GOOD) == {}


def test_every_violation_is_named_at_every_depth() -> None:
    body = {
        "to": 5,
        "channel": "pigeon",
        "content": {"type": "template", "language": None, "variables": {"1": None, "2": "ok"}, "colour": "red"},
        "send_at": "tomorrow",
        "metadata": {"a": []},
        "prioriti": "high",
    }

    assert named(body) == {
        "/to": "wrong_type",
        "/channel": "invalid_value",
        "/content/name": "missing_field",
        "/content/language": "wrong_type",
        "/content/variables/1": "wrong_type",
        "/content/colour": "unknown_field",
        "/send_at": "invalid_value",
        "/metadata/a": "wrong_type",
        "/prioriti": "unknown_field",
    }


@pytest.mark.parametrize(
    "content, pointer, code",
    [
        ({}, "/content/type", "missing_field"),
        ({"type": "poem"}, "/content/type", "invalid_value"),
        ({"type": 3}, "/content/type", "invalid_value"),
        ("text", "/content", "wrong_type"),
        (None, "/content", "wrong_type"),
        ({"type": "text"}, "/content/body", "missing_field"),
        (
            {"type": "template", "name": "a", "language": "en", "buttons": [{"type": "url", "index": "0", "text": ""}]},
            "/content/buttons/0/index",
            "wrong_type",
        ),
    ],
)
def test_a_union_is_judged_as_the_member_its_tag_names(content: object, pointer: str, code: str) -> None:
    assert named(GOOD | {"content": content}) == {pointer: code}


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_a_body_that_is_no_object_is_named_as_a_whole(body: object) -> None:
    assert named(body) == {"": "wrong_type"}


def test_names_are_escaped_as_json_pointers_want_it() -> None:
    assert named(GOOD | {"a/b~c": 1}) == {"/a~1b~0c": "unknown_field"}


def test_values_are_never_quoted() -> None:
    body = GOOD | {"channel": "SECRET-1", "content": {"type": "SECRET-2"}, "send_at": "SECRET-3", "to": ["SECRET-4"]}

    assert "SECRET" not in str(shape_violations(body, SubmitBody))


def test_a_hostile_body_gets_a_bounded_answer() -> None:
    body = GOOD | {f"field{number}": number for number in range(5_000)}

    assert len(shape_violations(body, SubmitBody)) == MAX_LISTED


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values | st.dictionaries(st.sampled_from(["to", "channel", "content", "metadata", "type"]), json_values))
def test_it_finds_something_exactly_when_the_decoder_refuses(body: object) -> None:
    try:
        msgspec.convert(body, SubmitBody)
        refused = False
    except msgspec.ValidationError:
        refused = True

    assert bool(shape_violations(body, SubmitBody)) == refused


@pytest.mark.parametrize(
    "raw, code",
    [
        (b"", "malformed_json"),
        (b"to=+1415", "malformed_json"),
        (b'{"to": "+1415', "malformed_json"),
        (b'{"to": NaN}', "malformed_json"),
        (b"\xff\xfe{", "malformed_json"),
        (b'{"to": "\\ud800"}', "malformed_json"),
        (b'{"to": "\xed\xa0\x80"}', "malformed_json"),
        (b"[" * 10_000 + b"]" * 10_000, "nesting_too_deep"),
        (b'{"content":' * 10_000 + b"1" + b"}" * 10_000, "nesting_too_deep"),
    ],
)
def test_bytes_that_are_not_usable_json_are_refused_by_their_code(raw: bytes, code: str) -> None:
    with pytest.raises(DomainError) as refused:
        SUBMIT.decode(raw)

    assert refused.value.code == code


def test_a_nul_is_named_where_it_is_also_in_a_name() -> None:
    raw = msgspec.json.encode(GOOD | {"to": "+1\0", "metadata": {"a\0b": "x"}})

    with pytest.raises(DomainError) as refused:
        SUBMIT.decode(raw)

    assert [(violation.pointer, violation.code) for violation in refused.value.violations] == [
        ("/to", "nul_character"),
        ("/metadata/ab", "nul_character"),
    ]


def test_a_backslash_before_u0000_is_not_a_nul() -> None:
    body = SUBMIT.decode(msgspec.json.encode(GOOD | {"reference": "\\u0000"}))

    assert body.reference == "\\u0000"
    assert nul_violations({"a": ["\\u0000"]}) == ()


def test_query_parameters_are_judged_all_at_once_too() -> None:
    found = shape_violations({"limit": "0", "status": "gone", "colour": "red"}, MessagesQuery, strict=False)

    assert {violation.pointer for violation in found} == {"/limit", "/status", "/colour"}


def test_equal_json_has_equal_canonical_bytes() -> None:
    assert canonical(b'{"b": 1, "a": [1,  2]}') == canonical(b'{"a":[1,2],"b":1}')
    assert canonical(b'{"a":[1,2]}') != canonical(b'{"a":[2,1]}')
    assert canonical(b"") == b""


def test_a_decoder_is_made_once_per_operation() -> None:
    class Point(msgspec.Struct):
        x: int

    assert Body(Point).decode(b'{"x": 1}') == Point(x=1)
