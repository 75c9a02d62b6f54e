"""Is a body read for what can be read of it, and is the rest kept?"""

import codecs
from typing import Any

import pytest

from messaging.adapters.providers.whatsapp_cloud.webhooks.reader import MALFORMED
from messaging.application.ports.providers.webhooks import OtherEvent
from messaging.domain.conversations.inbound import InboundMessage
from messaging.domain.messages.receipts import Receipt
from tests.unit.adapters.whatsapp_cloud.bodies import PHONE_ID, SAID_AT, a_status, a_text, body, read, value

GOOD = body(value(messages=[a_text(location={"latitude": 0.5})]))


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_byte_order_mark_is_passed_over(mark: bytes) -> None:
    encodings = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

    (message,) = read(mark + GOOD.decode().encode(encodings[mark]))

    assert (message.text, message.phone) == ("Hi", "+16505551234")


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"NaN", b"Infinity", b"-Infinity", b"9" * 6_000])
def test_what_is_no_number_costs_nobody_anything_and_is_kept_as_it_was_written(number: bytes) -> None:
    (message,) = read(GOOD.replace(b"0.5", number))

    assert message.text == "Hi"
    assert message.payload["location"] == {"latitude": number.decode()}


def test_an_item_that_is_none_is_kept_and_costs_no_neighbour() -> None:
    events = read(body(value(messages=[a_text(), 7, None, {}], statuses=[a_status(), {"status": "sent"}])))

    kinds = [event.kind if isinstance(event, OtherEvent) else type(event) for event in events]
    assert kinds == [InboundMessage, MALFORMED, MALFORMED, MALFORMED, Receipt, MALFORMED]
    assert {event.sender_external_id for event in events} == {PHONE_ID}


def test_an_object_where_a_list_should_be_is_its_only_item() -> None:
    message, receipt = read(body(value(messages=a_text(), statuses=a_status())))

    assert (message.text, receipt.provider_message_id) == ("Hi", "wamid.OUT")


def test_what_stands_beside_the_lists_we_know_is_kept() -> None:
    events = read(body(value(messages=[a_text()], polls=[{"vote": 1}], statuses="soon", hint="x", errors=None)))

    message, *others = events
    assert message.text == "Hi"
    metadata = {"display_phone_number": "15550783881", "phone_number_id": PHONE_ID}
    assert [(event.kind, event.payload) for event in others] == [
        ("messages.polls", {"metadata": metadata, "polls": [{"vote": 1}]}),
        ("messages.statuses", {"metadata": metadata, "statuses": "soon"}),
        ("messages.hint", {"metadata": metadata, "hint": "x"}),
    ]


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("account_update", {"event": "ACCOUNT_RESTRICTION"}),
        ("phone_number_quality_update", {"event": "FLAGGED", "display_phone_number": "15550783881"}),
        ("business_capability_update", {"max_daily_conversations_per_business": 2000}),
        ("security", {"event": "PIN_CHANGED"}),
        ("user_preferences", value(user_preferences=[{"wa_id": "16505551234", "value": "stop"}])),
        ("history", value(history=[{"metadata": {"phase": 0}, "threads": []}])),
        ("smb_message_echoes", value(message_echoes=[a_text()])),
        ("a_field_of_next_year", {"x": 1}),
    ],
)
def test_a_field_without_a_meaning_for_us_is_an_event_with_its_time(field: str, told: dict[str, Any]) -> None:
    (event,) = read(body(told, field=field, time=1777896000))

    sender = PHONE_ID if "metadata" in told else None
    assert event == OtherEvent(kind=field, payload=told, occurred_at=SAID_AT, sender_external_id=sender)


def test_a_message_that_names_no_sender_of_ours_is_a_message_all_the_same() -> None:
    (message,) = read(body({"messages": [a_text()]}))

    assert (message.sender_external_id, message.text) == ("", "Hi")
