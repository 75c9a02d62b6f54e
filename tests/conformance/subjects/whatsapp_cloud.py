"""The Cloud API in the conformance suite."""

import hashlib
import hmac
from datetime import datetime
from typing import Any

import httpx
import msgspec
from msgspec.structs import replace

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.adapters.providers.whatsapp_cloud.settings import WhatsAppSettings
from messaging.adapters.providers.whatsapp_cloud.wire import errors
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.webhooks import WebhookRequest
from messaging.domain.channels.address import Phone, ScopedUser
from messaging.domain.content.content import Document, Image, TemplateMessage, Text
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import Rejected, Throttled, Unavailable, Uncertain
from messaging.domain.messages.state import State
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import REFUSALS
from tests.conformance.outcomes import Script
from tests.conformance.subject import (
    PUBLIC_URL,
    REFERENCE,
    Codes,
    Endpoint,
    SandboxUse,
    Signed,
    Subject,
    Webhooks,
)
from tests.conformance.wires.http import http_wire
from tests.integration.providers.whatsapp_cloud.payloads import recorded
from tests.integration.providers.whatsapp_cloud.raw_server import answer, saying

_PHONE_ID, _WABA_ID = "106540352242922", "102290129340398"
_TOKEN, _APP_SECRET, _VERIFY_TOKEN = "EAAG-very-secret-token", "7d1f3c9a0b5e4d2f", "let-me-in-please"
_SIGNATURE, _MESSAGE_ID = "x-hub-signature-256", "wamid.STORY"
# Answers a subscription whose URL could not be checked, never a send.
_OF_NO_SEND = 2200


def _connection(endpoint: Endpoint, *, mode: Mode = Mode.LIVE) -> Connection:
    credentials = Credentials(access_token=_TOKEN, app_secrets=(_APP_SECRET,), verify_token=_VERIFY_TOKEN)
    return Connection(
        mode=mode, external_id=_WABA_ID, credentials=credentials, webhook_path="/webhooks/whatsapp_cloud/token"
    )


def _webhook(body: bytes) -> WebhookRequest:
    return WebhookRequest(
        method="POST",
        url=f"{PUBLIC_URL}/webhooks/whatsapp_cloud/token",
        headers={"content-type": "application/json"},
        body=body,
    )


def _status(status: str | None, **members: Any) -> WebhookRequest:
    given = {"id": _MESSAGE_ID, "status": status, "timestamp": "1777896000", "biz_opaque_callback_data": REFERENCE}
    item = {name: member for name, member in (given | members).items() if member is not None}
    metadata = {"display_phone_number": "15550783881", "phone_number_id": _PHONE_ID}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [item]}
    entry = {"id": _WABA_ID, "changes": [{"field": "messages", "value": value}]}
    return _webhook(msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]}))


def _refusal(code: str) -> Script:
    refusal = REFUSALS[int(code)]
    status = f"{refusal.status} Refused"
    error = {"code": int(code), "message": refusal.title, "error_data": {"details": refusal.details or ""}}
    return Script(
        behave=saying(answer(status, msgspec.json.encode({"error": error}))),
        classes=frozenset({Rejected, Throttled, Unavailable, Uncertain}),
    )


def _sign(request: WebhookRequest, secret: str, at: datetime) -> WebhookRequest:
    signature = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return replace(request, headers={**request.headers, _SIGNATURE: f"sha256={signature}"})


def _trusting(*secrets: str) -> Credentials:
    return Credentials(access_token=_TOKEN, app_secrets=secrets)


async def _open(control: httpx.AsyncClient, webhooks_url: str) -> Connection:
    connection = _connection(Endpoint(host="sandbox.invalid", port=1), mode=Mode.TEST)
    account = {
        "waba_id": _WABA_ID,
        "access_token": _TOKEN,
        "app_secret": _APP_SECRET,
        "webhook_url": f"{webhooks_url}{connection.webhook_path}",
        "phone_numbers": [{"id": _PHONE_ID, "display_phone_number": "+1 555 078 3881"}],
    }
    opened = await control.post("/_control/accounts", json=account)
    # Free-form content needs a conversation, which nobody has begun.
    settings = await control.post("/_control/settings", json={"window_enforced": False})
    assert opened.is_success, opened.text
    assert settings.is_success, settings.text
    return connection


SUBJECT = Subject(
    page="connect-whatsapp.md",
    settings=lambda endpoint: WhatsAppSettings(base_url=endpoint.url),
    connection=_connection,
    secrets=(_TOKEN, _APP_SECRET, _VERIFY_TOKEN),
    sender_id=_PHONE_ID,
    sender_address="+15550783881",
    recipient=Phone("+16505551234"),
    content=Text(body="Hello"),
    carries=frozenset({Text, TemplateMessage, Image, Document}),
    reaches=frozenset({Phone, ScopedUser}),
    wire=http_wire(
        accepted=recorded("send_accepted"),
        accepted_id=msgspec.json.decode(recorded("send_accepted"))["messages"][0]["id"],
        without_id=b'{"messaging_product":"whatsapp","messages":[]}',
        content_type="application/json",
    ),
    codes=Codes(
        documented=tuple(str(code) for code in REFUSALS if code != _OF_NO_SEND),
        refusal=_refusal,
        listed=lambda code: errors.find(int(code)) is not None,
        unclear=frozenset({"1", "2", "131000", "131016"}),
        failed=lambda code: _status("failed", errors=[{"code": int(code), "title": REFUSALS[int(code)].title}]),
    ),
    webhooks=Webhooks(
        recorded={
            name: _webhook(recorded(name))
            for name in ("webhook_statuses", "webhook_inbound", "webhook_user_without_phone", "webhook_template_status")
        },
        story=(_status("sent"), _status("delivered"), _status("read")),
        message_id=_MESSAGE_ID,
        ends=State.READ,
        unknown=_status("teleported", quantum={"entangled": True}),
        untimed=_status("delivered", timestamp=None),
        signed=Signed(sign=_sign, trusting=_trusting, headers=frozenset({_SIGNATURE}), covers_url=False),
    ),
    sandbox=SandboxUse(open=_open, reaches=frozenset({ReceiptKind.SENT, ReceiptKind.DELIVERED, ReceiptKind.READ})),
)
