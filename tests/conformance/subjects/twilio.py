"""Twilio in the conformance suite."""

from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
from msgspec.structs import replace

from messaging.adapters.providers.twilio.credentials import Credentials
from messaging.adapters.providers.twilio.settings import TwilioSettings
from messaging.adapters.providers.twilio.webhooks.signature import HEADER, fields, signature
from messaging.adapters.providers.twilio.wire import errors
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.webhooks import WebhookRequest
from messaging.domain.channels.address import Phone
from messaging.domain.content.content import Document, Image, Text
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import Rejected, Throttled, Unavailable, Uncertain
from messaging.domain.messages.state import State
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.sandbox.twilio.rest_errors import REFUSALS
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
from tests.integration.providers.whatsapp_cloud.raw_server import answer, saying
from tests.unit.adapters.twilio.requests import FORM, a_status, an_inbound

_ACCOUNT, _NUMBER = "AC" + "3f" * 16, "+15017250604"
_TOKEN, _KEY_SECRET = "0b8e9a-auth-token", "5c1d7f-key-secret"
_PATH = "/webhooks/twilio/token"
_SID = "SM" + "0a" * 16


def _connection(endpoint: Endpoint, *, mode: Mode = Mode.LIVE) -> Connection:
    credentials = Credentials(auth_tokens=(_TOKEN,), api_key_sid="SK" + "7e" * 16, api_key_secret=_KEY_SECRET)
    return Connection(mode=mode, external_id=_ACCOUNT, credentials=credentials, webhook_path=_PATH)


def _webhook(form: dict[str, str], query: str = "") -> WebhookRequest:
    return WebhookRequest(
        method="POST",
        url=f"{PUBLIC_URL}{_PATH}{query}",
        headers={"content-type": FORM},
        body=urlencode(form).encode(),
    )


def _status(status: str, **members: str) -> WebhookRequest:
    return _webhook(a_status(status, MessageSid=_SID, SmsSid=_SID, **members), f"?ref={REFERENCE}")


def _refusal(code: str) -> Script:
    refusal = REFUSALS[int(code)]
    body = {"code": int(code), "message": refusal.message, "more_info": "", "status": refusal.status}
    return Script(
        behave=saying(answer(f"{refusal.status} Refused", msgspec.json.encode(body))),
        classes=frozenset({Rejected, Throttled, Unavailable, Uncertain}),
    )


def _sign(request: WebhookRequest, secret: str, at: datetime) -> WebhookRequest:
    text = request.url + "".join(name + value for name, value in sorted(set(fields(request))))
    return replace(request, headers={**request.headers, HEADER: signature(secret, text)})


def _trusting(*secrets: str) -> Credentials:
    return Credentials(auth_tokens=secrets)


def _validity(request: bytes) -> timedelta | None:
    form = dict(parse_qsl(request.partition(b"\r\n\r\n")[2].decode()))
    return timedelta(seconds=int(form["ValidityPeriod"])) if "ValidityPeriod" in form else None


async def _open(control: httpx.AsyncClient, webhooks_url: str) -> Connection:
    connection = _connection(Endpoint(host="sandbox.invalid", port=1), mode=Mode.TEST)
    account = {
        "sid": _ACCOUNT,
        "auth_token": _TOKEN,
        "api_keys": {"SK" + "7e" * 16: _KEY_SECRET},
        "numbers": [{"phone_number": _NUMBER, "sms_url": f"{webhooks_url}{connection.webhook_path}"}],
    }
    opened = await control.post("/_control/twilio/accounts", json=account)
    assert opened.is_success, opened.text
    return connection


SUBJECT = Subject(
    page="connect-twilio.md",
    settings=lambda endpoint: TwilioSettings(base_url=endpoint.url, messaging_base_url=endpoint.url),
    connection=_connection,
    secrets=(_TOKEN, _KEY_SECRET),
    sender_id=_NUMBER,
    sender_address=_NUMBER,
    recipient=Phone("+16505551234"),
    content=Text(body="Hello"),
    carries=frozenset({Text, Image, Document}),
    reaches=frozenset({Phone}),
    wire=http_wire(
        accepted=msgspec.json.encode({"sid": _SID, "status": "queued", "num_segments": "1", "from": None}),
        accepted_id=_SID,
        without_id=b'{"status":"queued"}',
        status="201 Created",
        content_type="application/json",
    ),
    codes=Codes(
        documented=tuple(map(str, REFUSALS)),
        refusal=_refusal,
        listed=lambda code: errors.find(int(code)) is not None,
        unclear=frozenset({"20500", "20503"}),
        failed=lambda code: _status("failed", ErrorCode=code),
    ),
    webhooks=Webhooks(
        recorded={
            "inbound": _webhook(an_inbound("Héllo 👋")),
            "inbound media": _webhook(
                an_inbound("", NumMedia="1", MediaUrl0="https://api.twilio.com/m/0", MediaContentType0="image/jpeg")
            ),
            "opt-out": _webhook(an_inbound("STOP", OptOutType="STOP", MessagingServiceSid="MG" + "5" * 32)),
            "undelivered": _status("undelivered", ErrorCode="30003", RawDlrDoneDate="2607171206"),
            "service": _status("sent", MessagingServiceSid="MG" + "5" * 32),
        },
        story=(_status("queued"), _status("sent"), _status("delivered")),
        message_id=_SID,
        ends=State.DELIVERED,
        unknown=_status("teleported", Quantum="entangled"),
        untimed=_status("delivered"),
        signed=Signed(sign=_sign, trusting=_trusting, headers=frozenset({HEADER}), covers_url=True),
    ),
    validity=_validity,
    sandbox=SandboxUse(open=_open, reaches=frozenset({ReceiptKind.SENT, ReceiptKind.DELIVERED})),
)
