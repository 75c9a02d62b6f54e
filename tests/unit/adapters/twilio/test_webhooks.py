"""Webhooks become receipts, inbound messages, or events to keep."""

import base64
import hashlib

import pytest
from msgspec.structs import replace

from messaging.adapters.providers.twilio.webhooks.reader import TwilioWebhookReader
from messaging.application.ports.providers.webhooks import MalformedWebhook, OtherEvent, WebhookEvent, WebhookRequest
from messaging.domain.conversations.inbound import InboundKind, InboundMessage, Oddity
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from tests.builders import NOON
from tests.unit.adapters.twilio.requests import URL, a_status, a_webhook, an_inbound

REFERENCE = "v1.01j8zs4x7e0000000000000000.1.tag"


def event(fields: dict[str, str], url: str = URL) -> WebhookEvent:
    (only,) = TwilioWebhookReader().read(a_webhook(fields, url=url), received_at=NOON)
    return only


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def receipt(fields: dict[str, str], url: str = URL) -> Receipt:
    read = event(fields, url)
    assert isinstance(read, Receipt)
    return read


def inbound(fields: dict[str, str]) -> InboundMessage:
    read = event(fields, URL.partition("?")[0])
    assert isinstance(read, InboundMessage)
    return read


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("accepted", ReceiptKind.OTHER),
        ("scheduled", ReceiptKind.OTHER),
        ("queued", ReceiptKind.OTHER),
        ("sending", ReceiptKind.OTHER),
        ("sent", ReceiptKind.SENT),
        ("delivered", ReceiptKind.DELIVERED),
        ("partially_delivered", ReceiptKind.DELIVERED),
        ("read", ReceiptKind.READ),
        ("undelivered", ReceiptKind.FAILED),
        ("failed", ReceiptKind.FAILED),
        ("canceled", ReceiptKind.FAILED),
        ("teleported", ReceiptKind.OTHER),
    ],
)
def test_every_status_of_twilios_becomes_a_receipt(status: str, kind: ReceiptKind) -> None:
    read = receipt(a_status(status))

    assert (read.kind, read.provider_message_id, read.reference) == (kind, "SM" + "1" * 32, REFERENCE)
    assert (read.error is not None) == (kind is ReceiptKind.FAILED)
    told = dict(read.facts).get("status")
    assert told == (None if status in ("sent", "delivered", "read", "failed") else status)


def test_a_failure_has_twilios_code_and_its_meaning() -> None:
    read = receipt(a_status("undelivered", ErrorCode="30003", RawDlrDoneDate="2607171206"))

    assert read.error is not None
    assert (read.error.code, read.error.reason) == ("30003", "The phone is switched off or out of reach.")
    assert dict(read.facts)["carrier_time"] == "2607171206"


def test_an_opt_out_that_a_carrier_reports_is_told_as_one() -> None:
    error = receipt(a_status("failed", ErrorCode="21610")).error

    assert error is not None
    assert (error.code, error.reason) == ("21610", "The person has opted out by replying STOP.")


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"ErrorCode": "99999"}, "99999"), ({"ErrorCode": ""}, "failed"), ({}, "failed"), ({"ErrorCode": "x"}, "failed")],
)
def test_a_failure_that_explains_nothing_is_still_one(fields: dict[str, str], code: str) -> None:
    error = receipt(a_status("failed", **fields)).error

    assert error is not None
    assert error.code == code
    assert error.reason


def test_an_explanation_keeps_no_number() -> None:
    error = receipt(
        a_status("failed", ErrorCode="99999", ChannelStatusMessage="No way to +1 (415) 555-0100\nnow")
    ).error

    assert error is not None
    assert error.reason == "No way to … now"


def test_a_receipt_without_our_reference_is_found_by_the_sid() -> None:
    assert receipt(a_status(), URL.partition("?")[0]).reference is None


def test_a_receipt_names_the_service_that_sent_or_else_the_number() -> None:
    service = "MG" + "3" * 32

    assert receipt(a_status()).sender_external_id == "+15017250604"
    assert receipt(a_status(MessagingServiceSid=service)).sender_external_id == service


def test_a_text_message_is_the_persons_words_to_the_number() -> None:
    message = inbound(an_inbound("Héllo 👋"))

    assert (message.sender_external_id, message.phone) == ("+15017250604", "+15558675310")
    assert (message.kind, message.provider_kind, message.text) == (InboundKind.TEXT, "sms", "Héllo 👋")
    assert (message.occurred_at, message.oddities, message.further_sender_ids) == (NOON, (), ())
    assert message.payload["FromCity"] == ""


def test_a_message_to_a_number_in_a_pool_names_the_pool_too() -> None:
    service = "MG" + "3" * 32

    message = inbound(an_inbound(MessagingServiceSid=service))

    assert (message.sender_external_id, message.further_sender_ids) == ("+15017250604", (service,))


def test_media_are_kept_as_links() -> None:
    media = {"MediaUrl0": "https://api.twilio.com/m/0", "MediaContentType0": "image/jpeg", "NumMedia": "1"}

    message = inbound(an_inbound("", **media))

    assert (message.kind, message.provider_kind, message.text) == (InboundKind.MEDIA, "mms", None)
    assert message.payload["MediaUrl0"] == "https://api.twilio.com/m/0"


@pytest.mark.parametrize(
    ("body", "told", "kind"),
    [
        ("STOP", {}, "stop"),
        (" stop. ", {}, "stop"),
        ("Unsubscribe", {}, "stop"),
        ("start", {}, "start"),
        ("HELP", {}, "help"),
        ("please stop the music", {}, "sms"),
        ("arret", {"OptOutType": "STOP"}, "stop"),
        ("STOP", {"OptOutType": "START"}, "start"),
        ("hi", {"OptOutType": "other"}, "sms"),
    ],
)
def test_words_about_consent_are_told_from_other_words(body: str, told: dict[str, str], kind: str) -> None:
    assert inbound(an_inbound(body, **told)).provider_kind == kind


@pytest.mark.parametrize(("author", "oddity"), [("12345", Oddity.AUTHOR_UNREADABLE), ("", Oddity.AUTHOR_MISSING)])
def test_an_author_without_a_number_is_odd(author: str, oddity: Oddity) -> None:
    message = inbound(an_inbound(From=author))

    assert (message.phone, message.oddities) == (None, (oddity,))


def test_nul_is_left_out_since_postgresql_cannot_store_it() -> None:
    message = inbound(an_inbound("a\x00b"))

    assert (message.text, message.payload["Body"]) == ("ab", "ab")


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        # Recorded by nyaruka/courier: one cut off within a character, with a carriage return; one whole.
        (
            "QmFubm9uIEV4cGxhaW5zIFRoZSBXb3JsZCAuLi4K4oCcVGhlIENhbXAgb2YgdGhlIFNhaW50c+KA\r",
            "Bannon Explains The World ...\n\u201cThe Camp of the Saints",
        ),
        (
            "dGhlIHN3ZWF0LCB0aGUgdGVhcnMgYW5kIHRoZSBzYWNyaWZpY2Ugb2Ygd29ya2luZyBBbWVyaWNh\r",
            "the sweat, the tears and the sacrifice of working America",
        ),
        (encoded("Das Päckchen ist da 👋 " * 9), "Das Päckchen ist da 👋 " * 9),
        # Broken into lines, as MIME breaks them, and cut off in the middle of a group.
        (encoded("Das Päckchen ist da 👋 " * 9)[:99] + "\r\n" + "RGF", None),
    ],
)
def test_a_long_text_that_twilio_passes_on_as_base64_is_read_as_it_was_written(told: str, meant: str | None) -> None:
    message = inbound(an_inbound(told, NumSegments="2"))

    assert message.text is not None
    assert message.text == meant if meant else message.text.startswith("Das Päckchen ist da 👋 Das")
    assert message.payload["Body"] == told


@pytest.mark.parametrize(
    "told",
    [
        "Tm93IGlzIHRoZSB0aW1lLg==",
        "Please vote NO on the confirmation of Gorsuch. " * 3,
        "https://shop.example/orders/0123456789/abcdefghijklmnopqrstuvwxyz/0123456789/abcdefghij",
        hashlib.sha512(b"a token").hexdigest(),
        base64.b64encode(hashlib.sha512(b"a key").digest()).decode(),
        "x" * 100,
        encoded("\x07" * 80),
        encoded("Das Päckchen ist da 👋 " * 9)[:-4] + "====",
    ],
    ids=["short", "words", "link", "hash", "key", "one letter", "control characters", "odd padding"],
)
def test_a_text_that_only_looks_like_base64_stays_as_it_is(told: str) -> None:
    assert inbound(an_inbound(told)).text == told


def test_the_order_of_a_repeated_field_which_nobody_signs_changes_nothing() -> None:
    fields = [*an_inbound("one").items(), ("Body", "two"), ("Tag", "a"), ("Tag", "b"), ("Tag", "a")]
    requests = [a_webhook(order) for order in (fields, list(reversed(fields)))]

    first, second = (TwilioWebhookReader().read(request, received_at=NOON) for request in requests)

    assert first == second
    (message,) = first
    assert isinstance(message, InboundMessage)
    assert message.text == "one"
    assert (message.payload["Body"], message.payload["Tag"]) == (["one", "two"], ["a", "b"])


def test_a_status_that_contradicts_itself_is_read_the_same_way_in_any_order() -> None:
    fields = [*a_status("delivered").items(), ("MessageStatus", "failed"), ("ErrorCode", "30003")]

    read = [TwilioWebhookReader().read(a_webhook(order), received_at=NOON) for order in (fields, fields[::-1])]

    assert read[0] == read[1]


@pytest.mark.parametrize(("fields", "kind"), [({"CallSid": "CA1", "To": "+1"}, "call"), ({"Nonsense": "1"}, "unknown")])
def test_what_is_no_message_is_kept(fields: dict[str, str], kind: str) -> None:
    read = event(fields)

    assert isinstance(read, OtherEvent)
    assert (read.kind, read.payload) == (kind, fields)
    assert kind in TwilioWebhookReader.kinds


def test_json_is_kept_as_it_is() -> None:
    request = WebhookRequest(method="POST", url=URL, headers={"content-type": "application/json"}, body=b'{"a": 1}')

    (read,) = TwilioWebhookReader().read(request, received_at=NOON)

    assert read == OtherEvent(kind="json", payload={"a": 1})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_a_body_of_no_kind_is_malformed(body: bytes) -> None:
    request = WebhookRequest(method="POST", url=URL, headers={"content-type": "text/plain"}, body=body)

    with pytest.raises(MalformedWebhook):
        TwilioWebhookReader().read(request, received_at=NOON)
    with pytest.raises(MalformedWebhook):
        TwilioWebhookReader().read(replace(a_webhook({}), body=b"a=%FF"), received_at=NOON)


def test_the_answer_to_a_webhook_says_nothing_to_the_person() -> None:
    answer = TwilioWebhookReader.acknowledgement

    assert answer.content_type.startswith("text/xml")
    assert answer.body.endswith(b"<Response/>")
