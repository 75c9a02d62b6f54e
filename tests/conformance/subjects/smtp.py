"""SMTP in the conformance suite."""

from typing import Final
from urllib.parse import urlencode

import httpx
from msgspec.structs import replace

from messaging.adapters.http.client import Timeouts
from messaging.adapters.providers.smtp import build
from messaging.adapters.providers.smtp.bounces.door import DoorTerms, ReturnedMailDoor
from messaging.adapters.providers.smtp.bounces.return_path import read_return_address, return_address
from messaging.adapters.providers.smtp.credentials import Security, SmtpCredentials
from messaging.adapters.providers.smtp.settings import SmtpSettings
from messaging.adapters.providers.smtp.wire.pool import PoolTerms
from messaging.adapters.providers.smtp.wire.replies import Reply, Stage, find
from messaging.adapters.providers.tools import Tools
from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.webhooks import WebhookRequest
from messaging.domain.channels.address import EmailAddress
from messaging.domain.content.email import Email
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.state import State
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT
from tests.conformance.subject import PUBLIC_URL, REFERENCE, Codes, Endpoint, SandboxUse, Subject, Webhooks
from tests.conformance.wires.smtp import Step, answering, smtp_wire

_USER, _PASSWORD, _SENDER = "very-secret-login", "very-secret-password", "orders@shop.example"
_MESSAGE_ID: Final = f"<{REFERENCE}@shop.example>"
_CODES: Final = (
    *("4.2.0", "4.2.2", "4.3.1", "4.4.1", "4.7.0", "4.7.1", "4.7.28", "5.1.1", "5.1.2", "5.1.10", "5.2.1", "5.2.2"),
    *("5.3.4", "5.6.0", "5.7.1", "5.7.8", "5.7.26", "5.7.515", "5.7.60"),
)


def _connection(endpoint: Endpoint, *, mode: Mode = Mode.LIVE) -> Connection:
    security: Security = "tls" if endpoint.tls else "none"
    credentials = SmtpCredentials(username=_USER, password=_PASSWORD, port=endpoint.port, security=security)
    return Connection(
        mode=mode,
        external_id=endpoint.host,
        credentials=credentials,
        webhook_path="/webhooks/smtp/token",
        account_id=ACCOUNT,
    )


def _build(tools: Tools, timeouts: Timeouts) -> ProviderAdapter:
    """With a door at a port that is free, in the time when the message of the suite was made."""
    returned = read_return_address(_address())
    assert returned is not None
    door = ReturnedMailDoor(DoorTerms(host="127.0.0.1", port=0, name="mx.test"), now=lambda: returned.message_made_at)
    terms = PoolTerms(before=timeouts.connect, slot=timeouts.slot, answer=timeouts.answer)
    return replace(build(tools, terms), door=door)


def _address() -> str:
    address = return_address(ACCOUNT, REFERENCE, "bounces.example")
    assert address is not None
    return address


def _mail(*lines: str) -> WebhookRequest:
    """Mail that came back to the address of the message."""
    return WebhookRequest(
        method="SMTP",
        url=f"{PUBLIC_URL}/webhooks/smtp/token?{urlencode({'to': _address()})}",
        headers={"return-path": "<>"},
        body="\r\n".join(lines).encode(),
    )


def _report(action: str, status: str, *, date: str | None = "Mon, 04 May 2026 12:00:00 +0000") -> WebhookRequest:
    return _mail(
        *(() if date is None else (f"Date: {date}",)),
        "From: MAILER-DAEMON@mx.example",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"',
        "",
        "--B",
        "Content-Type: text/plain",
        "",
        "Sorry.",
        "--B",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example",
        "",
        "Final-Recipient: rfc822; ana@mail.example",
        f"Action: {action}",
        f"Status: {status}",
        f"Diagnostic-Code: smtp; 550 {status} no",
        "X-Quantum: entangled",
        "--B",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: {_MESSAGE_ID}",
        "--B--",
        "",
    )


def _listed(code: str) -> bool:
    """Whether a line of the table is for this code in particular, and not for its class."""
    basic = int(code[0]) * 100 + 50
    return any(code.startswith(begin) for begin in find(Reply(code=basic, text=code), Stage.DOT).enhanced)


async def _open(control: httpx.AsyncClient, webhooks_url: str) -> Connection:
    answer = await control.get("/smtp")
    assert answer.is_success, answer.text
    return _connection(Endpoint(host="sandbox.invalid", port=1), mode=Mode.TEST)


async def _tell_of_door(control: httpx.AsyncClient, adapter: ProviderAdapter) -> None:
    assert isinstance(adapter.door, ReturnedMailDoor)
    told = await control.post("/_control/smtp", json={"exchangers": {"*": f"127.0.0.1:{adapter.door.port}"}})
    assert told.is_success, told.text


SUBJECT = Subject(
    page="connect-smtp.md",
    settings=lambda endpoint: SmtpSettings(
        allowed_networks="127.0.0.0/8",
        allowed_ports=str(endpoint.port),
        helo_name="worker.example",
        return_domain="bounces.example",
    ),
    connection=_connection,
    secrets=(_USER, _PASSWORD),
    sender_id=_SENDER,
    sender_address=_SENDER,
    recipient=EmailAddress("ana@mail.example"),
    content=Email(subject="Your order", text="It has shipped."),
    carries=frozenset({Email}),
    reaches=frozenset({EmailAddress}),
    wire=smtp_wire(),
    codes=Codes(
        documented=_CODES,
        refusal=lambda code: answering(Step.RCPT, f"{code[0]}50 {code} refused"),
        listed=_listed,
        failed=lambda code: _report("failed", code),
    ),
    webhooks=Webhooks(
        recorded={
            "failed": _report("failed", "5.1.1"),
            "delayed": _report("delayed", "4.4.1"),
            "auto_reply": _mail("Auto-Submitted: auto-replied", "Subject: away", "", "Back on Monday."),
            "words": _mail("From: MAILER-DAEMON@mx.example", "Subject: failure notice", "", "Sorry."),
        },
        story=(_report("delayed", "4.4.1"), _report("failed", "5.1.1")),
        message_id=_MESSAGE_ID,
        ends=State.FAILED,
        unknown=_report("teleported", "2.9.9"),
        untimed=_report("failed", "5.1.1", date=None),
        signed=None,
    ),
    sandbox=SandboxUse(
        open=_open,
        reaches=frozenset({ReceiptKind.FAILED}),
        recipient=EmailAddress("bounce@mail.example"),
        door=_tell_of_door,
    ),
    build=_build,
)
