"""The look-alike's mail server by itself, on loopback, with whatever encryption a test wants, and a gateway for it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.providers.smtp.client import SmtpGateway
from messaging.adapters.providers.smtp.credentials import SmtpCredentials
from messaging.adapters.providers.smtp.opening import Opening
from messaging.adapters.providers.smtp.sandbox import SandboxServer
from messaging.adapters.providers.smtp.settings import SmtpSettings
from messaging.adapters.providers.smtp.wire.pool import PoolTerms
from messaging.application.ports.providers.sending import Connection, NotStarted, Outgoing
from messaging.domain.channels.address import EmailAddress
from messaging.domain.content.email import Email
from messaging.domain.messages import reference
from messaging.domain.messages.retry import SendResult
from messaging.domain.shared.ids import MessageId
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.sandbox.core.settings import Settings, Tuning
from messaging.entrypoints.sandbox.smtp.conversation import Conversing, Mail, Plan
from messaging.entrypoints.sandbox.smtp.listener import listening
from messaging.entrypoints.sandbox.smtp.outcomes import Point, outcome_for
from tests.builders import ACCOUNT, NOON, TENANT

AUTHORITY = trustme.CA()
REFERENCE = reference.write(MessageId(TENANT), 1, lambda _: "abcd2345")
LOGIN = SmtpCredentials(username="shop", password="s3cret")


@dataclass
class MailServer:
    """`taken` is what it took; `plans` are what happens to mails, by recipient, in place of what they stand for.

    `connections` counts those that were made.
    """

    port: int = 0
    connections: int = 0
    taken: list[Mail] = field(default_factory=list)
    plans: dict[str, list[Plan]] = field(default_factory=dict)

    def plan(self, sender: str, recipient: str) -> Plan:
        scripted = self.plans.get(recipient)
        if scripted:
            return scripted.pop(0)
        outcome = outcome_for(recipient)
        if outcome.refusal is None:
            return Plan(outcome=outcome, mode=outcome.mode)
        return Plan(outcome=outcome, refusal=outcome.refusal.line, point=Point(outcome.refusal.point))

    async def take(self, mail: Mail) -> str:
        self.taken.append(mail)
        return f"{len(self.taken):X}"


@asynccontextmanager
async def a_mail_server(*, security: str = "none", name: str = "localhost", **how: Any) -> AsyncIterator[MailServer]:
    server, stopping = MailServer(), asyncio.Event()
    tuning = Tuning(Settings(slow_ms=30, hang_max_ms=60_000))
    tls = None
    if security != "none":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert(name).configure_cert(tls)

    def conversing() -> Conversing:
        server.connections += 1
        return Conversing(plan=server.plan, take=server.take, tuning=tuning, stopping=stopping)

    async with listening(conversing, "127.0.0.1", 0, tls=tls, implicit_tls=security == "tls", **how) as port:
        server.port = port
        try:
            yield server
        finally:
            stopping.set()


@asynccontextmanager
async def an_opening(server: MailServer, directory: Path, **settings: Any) -> AsyncIterator[Opening]:
    """It may reach this machine, and trusts the tests' authority; its sandbox is not there."""
    http = ProviderHttp()
    try:
        sandboxes = {Mode.TEST: SandboxServer(http, "http://127.0.0.1:9")}
        opening = Opening(settings=_settings(server, directory, settings), sandboxes=sandboxes, rule=AddressRule())
        yield opening
        await opening.aclose()
    finally:
        await http.aclose()


def _settings(server: MailServer, directory: Path, changes: dict[str, Any]) -> SmtpSettings:
    bundle = directory / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(bundle))
    given: dict[str, Any] = {
        "allowed_networks": "127.0.0.0/8,::1/128",
        "allowed_ports": str(server.port),
        "ca_bundle": str(bundle),
        "helo_name": "worker.example.test",
    }
    return SmtpSettings(**(given | changes))


@asynccontextmanager
async def a_gateway(
    server: MailServer, directory: Path, *, answer: float = 20.0, connections: int = 4, **settings: Any
) -> AsyncIterator[SmtpGateway]:
    """A gateway that may reach this machine, and trusts the tests' authority."""
    async with an_opening(server, directory, **settings) as opening:
        gateway = SmtpGateway(
            settings=_settings(server, directory, settings),
            open=opening,
            now=lambda: NOON,
            terms=PoolTerms(answer=answer, before=20.0, connections=connections),
        )
        try:
            yield gateway
        finally:
            await gateway.aclose()


def credentials(server: MailServer, security: str, **changes: Any) -> SmtpCredentials:
    given: dict[str, Any] = {"username": "shop", "password": "s3cret", "port": server.port, "security": security}
    return SmtpCredentials(**(given | changes))


def outgoing(given: SmtpCredentials, to: str = "ana@example.com", **changes: Any) -> Outgoing:
    fields: dict[str, Any] = {
        "connection": Connection(mode=Mode.LIVE, external_id="localhost", credentials=given, account_id=ACCOUNT),
        "sender_external_id": "orders@shop.example",
        "sender_address": "orders@shop.example",
        "sender_name": "The Shop",
        "recipient": EmailAddress(to),
        "content": Email(subject="Your order", text="It has shipped.\n.\nBye"),
        "template": None,
        "reference": REFERENCE,
    }
    return Outgoing(**(fields | changes))


class Permission:
    """Answers `allowed`; counts how often it was asked."""

    def __init__(self, *, allowed: bool = True) -> None:
        self.allowed = allowed
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.allowed


async def send(
    gateway: SmtpGateway, message: Outgoing, permission: Permission | None = None
) -> SendResult | NotStarted:
    return await gateway.send(message, may_start=permission or Permission())
