"""Is every update of a webhook read, whatever stands beside it, and is only Meta believed?"""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.adapters.providers.whatsapp_cloud.webhooks.reader import MALFORMED, WhatsAppWebhookReader
from messaging.application.ports.providers.webhooks import (
    MalformedWebhook,
    OtherEvent,
    TemplateChanged,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from messaging.domain.conversations.inbound import InboundKind, InboundMessage
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.templates.template import TemplateStatus
from tests.fakes.installed import a_webhook as arriving
from tests.integration.providers.whatsapp_cloud.payloads import parsed, recorded
from tests.integration.providers.whatsapp_cloud.sending import PHONE_ID, REFERENCE

reader = WhatsAppWebhookReader()
RECEIVED = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
USER_ID = "US.13491208655302741918"


def read_body(body: bytes) -> list[Any]:
    return list(reader.read(arriving(body), received_at=RECEIVED))


def events(document: Any) -> list[Any]:
    return read_body(msgspec.json.encode(document))


def a_webhook(value: Any, *, field: Any = "messages") -> dict[str, Any]:
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": field, "value": value}]}],
    }


# --- trust ----------------------------------------------------------------------------------------------------------


def sign(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def credentials(*secrets: str, verify_token: str | None = None) -> Credentials:
    return Credentials(access_token="t", app_secrets=secrets, verify_token=verify_token)


async def test_a_webhook_is_authentic_under_any_of_the_secrets() -> None:
    body = recorded("webhook_statuses")

    for secret in ("old", "new"):
        headers = {"x-hub-signature-256": sign(body, secret)}
        assert await reader.verify(arriving(body, headers=headers), credentials("old", "new"), now=RECEIVED)
        assert not await reader.verify(arriving(body, headers=headers), credentials("other"), now=RECEIVED)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": "sha256="},
        {"x-hub-signature-256": sign(b"body", "secret").removeprefix("sha256=")},
        {"x-hub-signature-256": sign(b"body", "secret")[:-1]},
        {"x-hub-signature-256": sign(b"body", "secret") + "0"},
        {"x-hub-signature-256": sign(b"body", "secret").upper()},
        {"x-hub-signature-256": sign(b"another body", "secret")},
        {"x-hub-signature-256": "sha256=é"},
        {"x-hub-signature-256": "\ud800"},
        {"x-hub-signature": "sha1=" + hmac.new(b"secret", b"body", hashlib.sha1).hexdigest()},
    ],
)
async def test_forgeries_are_not_authentic(headers: dict[str, str]) -> None:
    assert not await reader.verify(arriving(b"body", headers=headers), credentials("secret"), now=RECEIVED)


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
async def test_without_a_secret_nothing_is_authentic(secrets: tuple[str, ...]) -> None:
    headers = {"x-hub-signature-256": sign(b"body", "")}

    assert not await reader.verify(arriving(b"body", headers=headers), credentials(*secrets), now=RECEIVED)


async def test_the_signature_is_taken_over_the_bytes_as_received() -> None:
    body = recorded("webhook_inbound")
    headers = {"x-hub-signature-256": sign(body, "secret")}

    assert await reader.verify(arriving(body, headers=headers), credentials("secret"), now=RECEIVED)
    assert not await reader.verify(
        arriving(msgspec.json.encode(msgspec.json.decode(body)), headers=headers), credentials("secret"), now=RECEIVED
    )


def test_the_handshake_returns_the_challenge_for_the_right_token_only() -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "right", "hub.challenge": "1158201444"}

    ours = credentials(verify_token="right")

    assert reader.handshake(arriving(query=query), ours) == "1158201444"
    assert reader.handshake(arriving(query=query), credentials(verify_token="wrong")) is None
    assert reader.handshake(arriving(query=query | {"hub.mode": "unsubscribe"}), ours) is None
    assert reader.handshake(arriving(query=query | {"hub.verify_token": "\ufffd"}), ours) is None
    assert reader.handshake(arriving(query={}), ours) is None


@pytest.mark.parametrize("verify_token", [None, ""])
def test_without_a_verify_token_every_handshake_is_refused(verify_token: str | None) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"}

    assert reader.handshake(arriving(query=query), credentials(verify_token=verify_token)) is None


FACTS = (
    ("pricing_category", "marketing"),
    ("pricing_model", "PMP"),
    ("pricing_type", "regular"),
    ("billable", "true"),
    ("conversation_id", "72b1"),
    ("conversation_origin", "marketing"),
    ("conversation_expires_at", "2025-06-16T23:28:00+00:00"),
)


# --- receipts -------------------------------------------------------------------------------------------------------


def test_every_status_of_every_change_is_read() -> None:
    sent, delivered, read, failed, played, deleted = read_body(recorded("webhook_statuses"))

    assert sent == Receipt(
        kind=ReceiptKind.SENT,
        sender_external_id=PHONE_ID,
        provider_message_id="wamid.OUT",
        occurred_at=datetime(2025, 6, 15, 23, 27, 53, tzinfo=UTC),
        reference=REFERENCE,
        recipient_ids=("16505551234", USER_ID),
        facts=FACTS,
    )
    assert isinstance(delivered, Receipt)
    assert delivered.kind is ReceiptKind.DELIVERED
    assert isinstance(read, Receipt)
    assert (read.kind, read.reference) == (ReceiptKind.READ, None)
    assert isinstance(failed, Receipt)
    assert failed.error is not None
    assert (failed.kind, failed.error.code) == (ReceiptKind.FAILED, "131049")
    assert "16505551234" not in failed.error.reason
    assert isinstance(played, Receipt)
    assert isinstance(deleted, Receipt)
    assert (played.kind, deleted.kind, deleted.facts) == (
        ReceiptKind.PLAYED,
        ReceiptKind.OTHER,
        (("status", "deleted"),),
    )


def test_a_failure_without_an_error_still_says_something() -> None:
    statuses = [{"id": "w", "status": "failed", "timestamp": "1750030073"}]

    (receipt,) = events(a_webhook({"metadata": {"phone_number_id": PHONE_ID}, "statuses": statuses}))

    assert receipt.error.code == "unspecified"


@pytest.mark.parametrize(
    "broken",
    [
        None,
        7,
        "text",
        [],
        {},
        {"id": "w"},
        {"id": "", "status": "sent", "timestamp": "1750030073"},
        {"id": ["w"], "status": "sent", "timestamp": "1750030073"},
        {"id": "w", "status": {"x": 1}, "timestamp": "1750030073"},
    ],
)
def test_a_broken_status_does_not_cost_its_neighbours(broken: Any) -> None:
    good = {"id": "w", "status": "sent", "timestamp": "1750030073"}

    first, second, third = events(
        a_webhook({"metadata": {"phone_number_id": PHONE_ID}, "statuses": [good, broken, good]})
    )

    assert isinstance(first, Receipt)
    assert second == OtherEvent(kind=MALFORMED, payload=broken, sender_external_id=PHONE_ID)
    assert third == first


def test_half_an_emoji_does_not_cost_the_batch() -> None:
    body = recorded("webhook_inbound").replace(b'"Sheena"', b'"She\\ud83dena"')

    first, *others = read_body(body)

    assert isinstance(first, InboundMessage)
    assert first.profile_name == "She?ena"
    assert len(others) == 20


# --- inbound --------------------------------------------------------------------------------------------------------

KINDS = InboundKind
INBOUND = {
    1: (KINDS.TEXT, "text", "Hi", "wamid.0", True),
    2: (KINDS.MEDIA, "image", "Taj", None, True),
    3: (KINDS.MEDIA, "video", "c", None, True),
    4: (KINDS.MEDIA, "audio", None, None, True),
    5: (KINDS.MEDIA, "document", "bill", None, True),
    6: (KINDS.MEDIA, "sticker", None, None, True),
    7: (KINDS.LOCATION, "location", "Cafe, 101 Forest", None, True),
    8: (KINDS.CONTACTS, "contacts", "Ana Diaz", None, True),
    9: (KINDS.REACTION, "reaction", "👍", "wamid.OUT", True),
    10: (KINDS.REACTION, "reaction", None, "wamid.OUT", False),
    11: (KINDS.BUTTON, "button", "Stop", "wamid.TEMPLATE", True),
    12: (KINDS.INTERACTIVE, "interactive", "Yes", "wamid.OUT", True),
    13: (KINDS.INTERACTIVE, "interactive", "Express", "wamid.OUT", True),
    14: (KINDS.INTERACTIVE, "interactive", "Sent", "wamid.OUT", True),
    15: (KINDS.INTERACTIVE, "interactive", None, None, True),
    16: (KINDS.OTHER, "order", "two please", None, True),
    17: (KINDS.OTHER, "system", "User A changed from 16505551234 to 12195555358", None, False),
    18: (KINDS.OTHER, "unsupported", None, None, True),
    19: (KINDS.OTHER, "edit", "new", "wamid.IN1", False),
    20: (KINDS.OTHER, "revoke", None, "wamid.IN1", False),
    21: (KINDS.OTHER, "something_new", None, None, True),
}


def test_every_kind_of_inbound_message_is_read_and_kept_whole() -> None:
    given = parsed("webhook_inbound")["entry"][0]["changes"][0]["value"]["messages"]

    read = read_body(recorded("webhook_inbound"))

    assert len(read) == len(INBOUND)
    for number, message in enumerate(read, start=1):
        assert isinstance(message, InboundMessage)
        assert (message.sender_external_id, message.provider_message_id) == (PHONE_ID, f"wamid.IN{number}")
        assert (message.phone, message.user_id, message.profile_name) == ("+16505551234", USER_ID, "Sheena")
        assert message.payload == given[number - 1]
        found = (message.kind, message.provider_kind, message.text, message.in_reply_to, message.opens_window)
        assert found == INBOUND[number]


def test_a_person_without_a_number_is_known_by_the_scoped_id() -> None:
    (message,) = read_body(recorded("webhook_user_without_phone"))

    assert isinstance(message, InboundMessage)
    assert (message.phone, message.user_id, message.profile_name) == (None, USER_ID, "Sheena")


def test_nul_never_reaches_a_text() -> None:
    item = {"from": "16505551234", "id": "w\0", "timestamp": "1749416383", "type": "text", "text": {"body": "a\0b"}}

    (message,) = events(a_webhook({"metadata": {"phone_number_id": PHONE_ID}, "messages": [item]}))

    assert (message.provider_message_id, message.text) == ("w", "ab")


# --- management and unknown -----------------------------------------------------------------------------------------


def test_template_events_of_a_recorded_body_are_all_read() -> None:
    at = datetime.fromtimestamp(1_751_247_548, UTC)

    rejected, approved, paused, disabled, flagged, kept, quality, category, *others = read_body(
        recorded("webhook_template_status")
    )

    assert isinstance(rejected, TemplateStatusChanged)
    assert (rejected.external_id, rejected.name, rejected.language) == ("1689556908129835", "cart", "en_US")
    assert (rejected.at, rejected.reason) == (at, "INVALID_FORMAT: Variables at the start")
    for event, status in (
        (approved, TemplateStatus.APPROVED),
        (paused, TemplateStatus.PAUSED),
        (disabled, TemplateStatus.DISABLED),
    ):
        assert isinstance(event, TemplateStatusChanged)
        assert event.status is status
    assert isinstance(flagged, TemplateChanged)
    assert isinstance(kept, OtherEvent)
    assert quality == TemplateQualityChanged(external_id="8063", name="w", language="en_US", at=at, quality="YELLOW")
    assert isinstance(category, TemplateChanged)
    assert [event.kind for event in others if isinstance(event, OtherEvent)] == [
        "template_category_update",
        "account_update",
        "a_field_of_next_year",
    ]


def test_account_level_errors_and_values_we_do_not_know_are_kept() -> None:
    value = {"metadata": {"phone_number_id": PHONE_ID}, "errors": [{"code": 130429}]}

    assert events(a_webhook(value)) == [
        OtherEvent(kind="errors", payload={"code": 130429}, sender_external_id=PHONE_ID)
    ]
    assert events(a_webhook({"metadata": {}})) == [OtherEvent(kind="messages", payload={"metadata": {}})]


@pytest.mark.parametrize(
    "entry", [None, 7, {}, {"changes": None}, {"changes": [None]}, {"changes": [{"field": 5, "value": {}}]}]
)
def test_a_broken_entry_is_kept_and_its_neighbours_are_read(entry: Any) -> None:
    good = parsed("webhook_user_without_phone")
    good["entry"].insert(0, entry)

    broken, message = events(good)

    assert isinstance(broken, OtherEvent)
    assert broken.kind == MALFORMED
    assert isinstance(message, InboundMessage)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b"{}",
        b'{"entry":{}}',
        b'{"entry":',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"entry":[' + b'{"a":' * 100_000,
    ],
)
def test_what_is_no_webhook_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedWebhook):
        read_body(body)


# --- properties -----------------------------------------------------------------------------------------------------

_WORDS = st.sampled_from(
    ["id", "from", "from_user_id", "timestamp", "type", "text", "body", "status", "errors", "code", "error_data",
     "interactive", "button", "reaction", "context", "contacts", "profile", "name", "wa_id", "user_id", "metadata",
     "phone_number_id", "messages", "statuses", "field", "value", "changes", "entry", "event", "pricing",
     "message_template_id", "message_template_name", "message_template_language", "new_quality_score",
     "message_template_status_update"]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | _WORDS
    | st.sampled_from(["sent", "failed", "text", "interactive", "1750030073", "16505551234"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


def _read_or_refuse(body: bytes) -> None:
    try:
        read = read_body(body)
    except MalformedWebhook:
        return
    for event in read:
        msgspec.json.encode(event)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    _read_or_refuse(body)


@settings(deadline=None)
@given(_JSON)
@example({"entry": [-(2**63) - 1]})
def test_any_json_is_read_or_refused(document: Any) -> None:
    _read_or_refuse(_dump(document))


@settings(deadline=None)
@given(st.lists(_JSON, max_size=4), st.sampled_from(["messages", "statuses", "errors", "contacts"]))
def test_any_items_give_exactly_one_event_each(listed: list[Any], name: str) -> None:
    value = {"metadata": {"phone_number_id": PHONE_ID}, "messages": [], name: listed}

    read = read_body(_dump(a_webhook(value)))

    assert len(read) == (0 if name == "contacts" else len(listed))


@settings(deadline=None)
@given(_JSON, st.sampled_from(["messages", "message_template_status_update", "message_template_quality_update", "x"]))
def test_any_value_of_any_field_is_read(value: Any, field: str) -> None:
    read = read_body(_dump(a_webhook(value, field=field)))

    assert len(read) >= (0 if field == "messages" else 1)


def _dump(document: Any) -> bytes:
    return json.dumps(document).encode()
