"""Which types of events and which filters may an endpoint have?"""

import pytest

from messaging.domain.callbacks.event_types import CATALOGUE, GROUPS, TYPES
from messaging.domain.callbacks.rules.subscription import filter_violations, type_violations

SENDER = "snd_01kb6t0c2de1v8h4m6n7p9q0rs"


def test_every_type_and_group_of_the_catalogue_may_be_named() -> None:
    assert len(CATALOGUE) == len(TYPES) > 20
    for name in (*(TYPES - {"endpoint.test"}), *(f"{group}.*" for group in GROUPS), "*"):
        assert type_violations((name,)) == ()


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("message.delievered", "Did you mean message.delivered?"),
        ("nonsense", "GET /v1/event-types"),
        ("messages.*", "message.*"),
        ("mess*", "message.*"),
        ("*.delivered", "GET /v1/event-types"),
        ("endpoint.test", "Leave this out"),
        ("", "GET /v1/event-types"),
    ],
)
def test_an_unknown_pattern_is_refused_with_what_there_is(pattern: str, says: str) -> None:
    (found,) = type_violations(("message.*", pattern))

    assert (found.pointer, found.code) == ("/event_types/1", "event_type_unknown")
    assert says in found.detail


def test_there_is_one_pattern_at_least_and_not_too_many() -> None:
    assert [it.pointer for it in type_violations(())] == ["/event_types"]
    assert [it.pointer for it in type_violations(("*",) * 51)] == ["/event_types"]


def test_filters_name_fields_and_values_that_events_have() -> None:
    good = {"channel": "sms", "category": "utility", "sender_id": SENDER, "metadata.order": "1042"}

    assert filter_violations(good) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channel", "fax"),
        ("category", "other"),
        ("sender_id", "42"),
        ("mode", "live"),
        ("metadata.", "x"),
        ("metadata." + "k" * 41, "x"),
        ("metadata.k", "v" * 501),
    ],
)
def test_a_filter_that_nothing_can_match_is_refused(name: str, value: str) -> None:
    (found,) = filter_violations({name: value})

    assert (found.pointer, found.code) == (f"/filters/{name}", "filter_invalid")


def test_ten_filters_may_be_combined() -> None:
    assert filter_violations({f"metadata.{n}": "x" for n in range(10)}) == ()
    assert [it.pointer for it in filter_violations({f"metadata.{n}": "x" for n in range(11)})] == ["/filters"]
