"""Verifies Parrot's webhooks, and reads them.

`Parrot-Signature: t=<seconds>,v1=<hex>` is the HMAC-SHA256 of the time, a dot and the body.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from messaging.application.ports.providers.webhooks import (
    Acknowledgement,
    MalformedWebhook,
    OtherEvent,
    WebhookEvent,
    WebhookRequest,
)
from messaging.domain.channels.address import parse_provider_phone
from messaging.domain.conversations.inbound import InboundKind, InboundMessage, Oddity
from tests.conformance.parrot.adapter import Credentials
from tests.conformance.parrot.adapter.statuses import instant, receipt, text

HEADER: Final = "parrot-signature"
LASTS_SECONDS: Final = 300


class ParrotWebhookReader:
    """The port `WebhookReader`."""

    kinds = frozenset({"account.updated", "unknown"})
    kept_headers = frozenset({HEADER})
    acknowledgement = Acknowledgement()

    def handshake(self, request: WebhookRequest, credentials: Struct) -> str | None:
        return None

    async def verify(self, request: WebhookRequest, credentials: Struct, *, now: datetime) -> bool:
        assert isinstance(credentials, Credentials)
        time, _, given = request.headers.get(HEADER, "").partition(",")
        told = time.removeprefix("t=")
        if not (time.startswith("t=") and told.isascii() and told.isdigit() and len(told) <= 12):
            return False
        if abs(now.timestamp() - int(told)) > LASTS_SECONDS:
            return False
        sent, authentic = given.encode("utf-8", "surrogatepass"), False
        for secret in credentials.signing_secrets:
            expected = f"v1={signature(secret, told, request.body)}".encode()
            authentic |= bool(secret) & hmac.compare_digest(sent, expected)
        return authentic

    def read(self, request: WebhookRequest, *, received_at: datetime) -> Sequence[WebhookEvent]:
        try:
            event = msgspec.json.decode(request.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedWebhook("the body is not a JSON object") from error
        data, at = event.get("data"), instant(event.get("created_at"))
        kind = text(event, "type")
        if not isinstance(data, dict) or not kind.startswith("message."):
            return [OtherEvent(kind=kind or "unknown", payload=event, occurred_at=at)]
        return [_inbound(data, at or received_at) if kind == "message.received" else receipt(data, at)]


def signature(secret: str, at: str, body: bytes) -> str:
    return hmac.new(secret.encode("utf-8", "surrogatepass"), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def _inbound(data: dict[str, Any], at: datetime) -> InboundMessage:
    author = text(data, "from")
    phone = parse_provider_phone(author) if author else None
    words = data.get("text")
    return InboundMessage(
        sender_external_id=text(data, "to"),
        provider_message_id=text(data, "id"),
        kind=InboundKind.TEXT,
        provider_kind="sms",
        occurred_at=at,
        phone=phone.value if phone is not None else None,
        user_id=None,
        profile_name=None,
        text=words.replace("\x00", "") if isinstance(words, str) else None,
        payload=data,
        oddities=() if phone is not None else (Oddity.AUTHOR_UNREADABLE if author else Oddity.AUTHOR_MISSING,),
    )
