"""Parrot in the conformance suite."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
from msgspec.structs import replace

from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.webhooks import WebhookRequest
from messaging.domain.channels.address import Phone
from messaging.domain.content.content import Text
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import Rejected, Throttled, Unavailable, Uncertain
from messaging.domain.messages.state import State
from messaging.domain.shared.mode import Mode
from tests.conformance.outcomes import Script
from tests.conformance.parrot.adapter import Credentials, ParrotSettings
from tests.conformance.parrot.adapter.errors import ERRORS
from tests.conformance.parrot.adapter.webhooks import HEADER, LASTS_SECONDS, signature
from tests.conformance.parrot.look_alike.errors import REFUSALS
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
from tests.integration.providers.whatsapp_cloud.raw_server import answer, saying

_ACCOUNT, _NUMBER, _ID = "pa_0a1b2c3d4e5f", "+15017250604", "msg_0a1b2c3d4e5f00000000"
_TOKEN, _SECRET = "pk_2f9c81d04be3", "whs_81b7e2a90c"
_PATH = "/webhooks/parrot/token"


def _connection(endpoint: Endpoint, *, mode: Mode = Mode.LIVE) -> Connection:
    credentials = Credentials(api_token=_TOKEN, signing_secrets=(_SECRET,))
    return Connection(mode=mode, external_id=_ACCOUNT, credentials=credentials, webhook_path=_PATH)


def _webhook(kind: str, data: dict[str, Any], **members: Any) -> WebhookRequest:
    body = {"type": kind, "created_at": 1777896420, "data": data} | members
    return WebhookRequest(method="POST", url=f"{PUBLIC_URL}{_PATH}", headers={}, body=msgspec.json.encode(body))


def _status(status: str, **members: Any) -> WebhookRequest:
    data = {"id": _ID, "status": status, "from": _NUMBER, "to": "+16505551234", "client_reference": REFERENCE}
    return _webhook(f"message.{status}", data | members)


def _refusal(code: str) -> Script:
    body = {"error": {"code": code, "message": "No."}}
    return Script(
        behave=saying(answer(f"{REFUSALS[code]} Refused", msgspec.json.encode(body))),
        classes=frozenset({Rejected, Throttled, Unavailable, Uncertain}),
    )


def _sign(request: WebhookRequest, secret: str, at: datetime) -> WebhookRequest:
    seconds = str(int(at.timestamp()))
    made = f"t={seconds},v1={signature(secret, seconds, request.body)}"
    return replace(request, headers={**request.headers, HEADER: made})


def _trusting(*secrets: str) -> Credentials:
    return Credentials(api_token=_TOKEN, signing_secrets=secrets)


async def _open(control: httpx.AsyncClient, webhooks_url: str) -> Connection:
    account = {"id": _ACCOUNT, "api_token": _TOKEN, "signing_secret": _SECRET, "senders": [_NUMBER]}
    opened = await control.post("/_control/parrot/accounts", json=account)
    assert opened.is_success, opened.text
    return _connection(Endpoint(host="sandbox.invalid", port=1), mode=Mode.TEST)


SUBJECT = Subject(
    page="connect-parrot.md",
    settings=lambda endpoint: ParrotSettings(base_url=endpoint.url),
    connection=_connection,
    secrets=(_TOKEN, _SECRET),
    sender_id=_NUMBER,
    sender_address=_NUMBER,
    recipient=Phone("+16505551234"),
    content=Text(body="Hello"),
    carries=frozenset({Text}),
    reaches=frozenset({Phone}),
    wire=http_wire(
        accepted=msgspec.json.encode({"id": _ID, "status": "queued"}),
        accepted_id=_ID,
        without_id=b'{"status":"queued"}',
        status="202 Accepted",
        content_type="application/json",
    ),
    codes=Codes(
        documented=tuple(REFUSALS),
        refusal=_refusal,
        listed=lambda code: code in ERRORS,
        unclear=frozenset({"internal"}),
        failed=lambda code: _status("failed", error_code=code),
    ),
    webhooks=Webhooks(
        recorded={
            "inbound": _webhook(
                "message.received", {"id": "in_1", "from": "+16505551234", "to": _NUMBER, "text": "Hi"}
            ),
            "account": _webhook("account.updated", {"status": "active"}),
            "undelivered": _status("failed", error_code="unreachable"),
        },
        story=(_status("queued"), _status("sent"), _status("delivered"), _status("read")),
        message_id=_ID,
        ends=State.READ,
        unknown=_status("teleported", quantum="entangled"),
        untimed=_webhook("message.delivered", {"id": _ID, "status": "delivered", "from": _NUMBER}, created_at=None),
        signed=Signed(
            sign=_sign,
            trusting=_trusting,
            headers=frozenset({HEADER}),
            covers_url=False,
            lasts=timedelta(seconds=LASTS_SECONDS),
        ),
    ),
    sandbox=SandboxUse(open=_open, reaches=frozenset({ReceiptKind.SENT, ReceiptKind.DELIVERED, ReceiptKind.READ})),
)
