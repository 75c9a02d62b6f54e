"""Verifies that a webhook was signed by Twilio, and reads it into a receipt, an inbound message or an event to keep.

Twilio posts a form for each status of a message and for each message that a person wrote, in no order, and adds fields
without notice.
"""

from collections import defaultdict
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
            pairs = signature.fields(request)
            reference = dict(signature.query(request)).get(REFERENCE)
        except ValueError as error:
            raise MalformedWebhook("the body is not a form") from error
        return [_event(_read_once(pairs), _as_it_came(pairs), reference, received_at)]


def _read_once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The fields by name. A signature does not cover the order of a repeated field, so nothing may follow from it: of
    several values the one that sorts first is read.
    """
    return dict(sorted(pairs, reverse=True))


def _as_it_came(pairs: Sequence[tuple[str, str]]) -> dict[str, str | list[str]]:
    """The form without NUL, which PostgreSQL cannot store; a list for a field that comes with several values."""
    values: dict[str, set[str]] = defaultdict(set)
    for name, value in pairs:
        values[name.replace("\x00", "")].add(value.replace("\x00", ""))
    return {name: sorted(found) if len(found) > 1 else min(found) for name, found in values.items()}


def _event(
    fields: dict[str, str], payload: dict[str, str | list[str]], reference: str | None, received_at: datetime
) -> WebhookEvent:
    sid = text(fields, "MessageSid") or text(fields, "SmsSid")
    status = text(fields, "MessageStatus") or text(fields, "SmsStatus")
    if sid and (status.lower() in _RECEIVED or (not status and "Body" in fields)):
        return read_message({**fields, "MessageSid": sid}, payload, received_at)
    if not sid or not status:
        sender = text(fields, "To") or None
        return OtherEvent(kind="call" if "CallSid" in fields else "unknown", payload=payload, sender_external_id=sender)
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
