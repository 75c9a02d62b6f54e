"""Does each endpoint get the body that it asked for, and nothing private that it did not?"""

import json
from datetime import UTC, datetime
from typing import Any

from messaging.domain.callbacks import body
from messaging.domain.callbacks.body import LARGEST_BODY, THIN, Bodies, Facts
from messaging.domain.callbacks.endpoint import Include

RECIPIENT, CONTENT = frozenset({Include.RECIPIENT}), frozenset({Include.CONTENT})
ALL = RECIPIENT | CONTENT


def facts(text: str = "Hello") -> Facts:
    return Facts(
        type="message.delivered",
        at=datetime(2026, 11, 29, 10, 15, 2, 114_900, UTC),
        about={"event_id": "evt_1", "sequence": 5},
        name="message",
        subject={"id": "msg_1", "status": "delivered"},
        private={Include.RECIPIENT: {"to": "+14155550100"}, Include.CONTENT: {"content": text}},
    )


def message(of: bytes) -> Any:
    return json.loads(of)["data"]["message"]


def test_a_body_is_an_envelope_of_type_timestamp_and_data() -> None:
    rendered = body.bodies(facts(), [THIN])

    assert json.loads(rendered.thin) == {
        "type": "message.delivered",
        "timestamp": "2026-11-29T10:15:02.114Z",
        "data": {"event_id": "evt_1", "sequence": 5, "message": {"id": "msg_1", "status": "delivered"}},
    }


def test_recipient_and_content_are_in_the_bodies_of_those_who_include_them() -> None:
    rendered = body.bodies(facts(), [THIN, RECIPIENT, ALL])

    assert message(rendered.of(())) == {"id": "msg_1", "status": "delivered"}
    assert message(rendered.of(RECIPIENT)) == {"id": "msg_1", "status": "delivered", "to": "+14155550100"}
    assert message(rendered.of(ALL))["content"] == "Hello"


def test_who_asks_for_more_later_gets_the_thin_body() -> None:
    rendered = body.bodies(facts(), [RECIPIENT])

    assert rendered.of(CONTENT) == rendered.thin


def test_the_order_in_which_an_endpoint_names_its_inclusions_is_of_no_account() -> None:
    rendered = body.bodies(facts(), [ALL])

    assert rendered.of([Include.RECIPIENT, Include.CONTENT]) == rendered.of([Include.CONTENT, Include.RECIPIENT])


def test_content_that_makes_a_body_too_long_is_left_out_and_named() -> None:
    rendered = body.bodies(facts("x" * LARGEST_BODY), [ALL])

    assert message(rendered.of(ALL)) == {
        "id": "msg_1",
        "status": "delivered",
        "to": "+14155550100",
        "omitted": ["content"],
    }


def test_stored_bodies_are_read_back_byte_for_byte() -> None:
    rendered = body.bodies(facts(), [RECIPIENT, ALL])

    assert body.unpacked(body.packed(rendered)) == rendered
    assert isinstance(rendered, Bodies)
