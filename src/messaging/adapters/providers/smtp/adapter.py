"""Builds the adapter of SMTP out of its parts."""

import socket
import ssl
from datetime import UTC, datetime

from messaging.adapters.providers.smtp.bounces.door import DoorTerms, ReturnedMailDoor
from messaging.adapters.providers.smtp.bounces.reader import SmtpWebhookReader
from messaging.adapters.providers.smtp.client import SmtpGateway
from messaging.adapters.providers.smtp.opening import Opening
from messaging.adapters.providers.smtp.sandbox import SandboxServer
from messaging.adapters.providers.smtp.settings import SmtpSettings
from messaging.adapters.providers.smtp.setup import SmtpSetup
from messaging.adapters.providers.smtp.wire.pool import PoolTerms
from messaging.adapters.providers.tools import Tools
from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.domain.shared.mode import Mode


def _now() -> datetime:
    return datetime.now(UTC)


def build_adapter(tools: Tools, terms: PoolTerms | None = None) -> ProviderAdapter:
    """The adapter; `terms` are those of its connections in place of the usual ones."""
    settings = tools.settings
    assert isinstance(settings, SmtpSettings)
    opening = Opening(settings=settings, sandboxes=_sandboxes(tools, settings), rule=tools.rule)
    tools.on_close(opening.aclose)
    gateway = SmtpGateway(
        settings=settings,
        open=opening,
        now=_now,
        terms=terms
        or PoolTerms(
            connections=settings.connections,
            most_uses=settings.messages_per_connection,
            idle=settings.idle_seconds,
        ),
    )
    tools.on_close(gateway.aclose)
    return ProviderAdapter(
        gateway=gateway, webhooks=SmtpWebhookReader(), setup=SmtpSetup(opening), door=_door(settings)
    )


def _sandboxes(tools: Tools, settings: SmtpSettings) -> dict[Mode, SandboxServer]:
    """The sandbox's mail server for each mode whose mail goes there."""
    urls = {Mode.TEST: tools.sandbox_url, Mode.LIVE: settings.base_url}
    return {mode: SandboxServer(tools.http, url) for mode, url in urls.items() if url is not None}


def _door(settings: SmtpSettings) -> ReturnedMailDoor | None:
    return None if settings.inbound_port is None else ReturnedMailDoor(door_terms(settings), now=_now)


def door_terms(settings: SmtpSettings) -> DoorTerms:
    """The terms of the door for returned mail; `inbound_port` is set."""
    assert settings.inbound_port is not None
    return DoorTerms(
        host=settings.inbound_host,
        port=settings.inbound_port,
        name=settings.helo_name or socket.gethostname(),
        connections=settings.inbound_connections,
        tls=_certificate(settings.inbound_certificate),
    )


def _certificate(path: str | None) -> ssl.SSLContext | None:
    if path is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context
