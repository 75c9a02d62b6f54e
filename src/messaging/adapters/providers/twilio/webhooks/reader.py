"""Verifies that a webhook was signed by Twilio, and reads it into a receipt, an inbound message or an event to keep.

Twilio posts a form for each status of a message and for each message that a person wrote, in no order, and adds fields
without notice.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from messaging.adapters.providers.twilio.credentials import of
from messaging.adapters.providers.twilio.webhooks import signature
from messaging.adapters.providers.twilio.webhooks.inbound import read_message
from messaging.adapters.providers.twilio.wire import statuses
from messaging.adapters.providers.twilio.wire.fields import text
from messaging.application.ports.providers.webhooks import (
    Acknowledgement,
    MalformedWebhook,
    OtherEvent,
    WebhookEvent,
    WebhookRequest,
)
from messaging.domain.messages.receipts import Fact

REFERENCE: Final = "ref"
_RECEIVED: Final = frozenset({"received", "receiving"})
# Statuses' fields that are shown in the timeline: (field of the webhook, name of the fact).
_FACTS: Final = (("RawDlrDoneDate", "carrier_time"), ("ChannelPrefix", "channel"), ("Price", "price"))
_LONGEST_FACT: Final = 200


class TwilioWebhookReader:
    """The port `WebhookReader`. A GET is never Twilio's: it checks no subscription."""

    kinds = frozenset({"call", "json", "unknown"})
    kept_headers = frozenset({"content-type", signature.HEADER, "i-twilio-idempotency-token"})
    # An answer without a verb: Twilio replies nothing to the person.
    acknowledgement = Acknowledgement(
        body=b'<?xml version="1.0" encoding="UTF-8"?><Response/>', content_type="text/xml; charset=utf-8"
    )

    def handshake(self, request: WebhookRequest, credentials: Struct) -> str | None:
        return None

    async def verify(self, request: WebhookRequest, credentials: Struct, *, now: datetime) -> bool:
        return signature.is_signed(request, of(credentials).auth_tokens)

    def read(self, request: WebhookRequest, *, received_at: datetime) -> Sequence[WebhookEvent]:
        if not signature.is_form(request):
            return [OtherEvent(kind="json", payload=_json(request.body))]
        try:
            fields = dict(signature.fields(request))
            reference = dict(signature.query(request)).get(REFERENCE)
        except ValueError as error:
            raise MalformedWebhook("the body is not a form") from error
        return [_event(fields, reference, received_at)]


def _event(fields: dict[str, str], reference: str | None, received_at: datetime) -> WebhookEvent:
    sid = text(fields, "MessageSid") or text(fields, "SmsSid")
    status = text(fields, "MessageStatus") or text(fields, "SmsStatus")
    if sid and (status.lower() in _RECEIVED or (not status and "Body" in fields)):
        return read_message({**fields, "MessageSid": sid}, received_at)
    if not sid or not status:
        sender = text(fields, "To") or None
        return OtherEvent(kind="call" if "CallSid" in fields else "unknown", payload=fields, sender_external_id=sender)
    return statuses.receipt(
        statuses.Told(
            sid=sid,
            status=status,
            sender=text(fields, "MessagingServiceSid") or text(fields, "From"),
            reference=reference,
            code=fields.get("ErrorCode"),
            explanation=text(fields, "ChannelStatusMessage") or text(fields, "ErrorMessage"),
            facts=tuple(_facts(fields)),
        )
    )


def _facts(fields: dict[str, str]) -> Iterator[Fact]:
    for field, name in _FACTS:
        if value := text(fields, field):
            yield name, value[:_LONGEST_FACT]


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedWebhook("the body is neither a form nor JSON") from error
