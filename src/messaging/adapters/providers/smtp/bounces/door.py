"""The door for returned mail: listens while it is open, for mail servers that bring back what they cannot deliver."""

import asyncio
import contextlib
import logging
import ssl
import weakref
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import cast

from msgspec import Struct

from messaging.application.ports.providers.webhooks import TakeWebhook

log = logging.getLogger(__name__)


class DoorTerms(Struct, frozen=True, kw_only=True):
    """Where to listen, under which name, and to how many connections at once; with `tls`, STARTTLS is offered."""

    host: str
    port: int
    name: str
    connections: int = 100
    tls: ssl.SSLContext | None = None


class ReturnedMailDoor:
    """The port `WebhookDoor` for returned mail."""

    def __init__(self, terms: DoorTerms, *, now: Callable[[], datetime]) -> None:
        self._terms = terms
        self._now = now
        self.port: int | None = None

    @contextlib.asynccontextmanager
    async def open(self, take: TakeWebhook) -> AsyncIterator[None]:
        """Listen for the length of the block."""
        # Only the process that listens has the library in memory.
        from messaging.adapters.providers.smtp.bounces.listener import Receiving, ReturnedMailServer

        # The library logs every command, addresses included.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        open_ones: weakref.WeakSet[ReturnedMailServer] = weakref.WeakSet()

        def connected() -> asyncio.Protocol:
            if sum(server.transport is not None for server in open_ones) >= self._terms.connections:
                return _Busy()
            server = ReturnedMailServer(Receiving(take, self._now), name=self._terms.name, tls=self._terms.tls)
            open_ones.add(server)
            return server

        loop = asyncio.get_running_loop()
        listening = await loop.create_server(connected, self._terms.host, self._terms.port)
        self.port = listening.sockets[0].getsockname()[1]
        log.info("returned_mail.listening", extra={"port": self.port})
        try:
            yield
        finally:
            listening.close()
            for server in open_ones:
                server.end()
            await listening.wait_closed()


class _Busy(asyncio.Protocol):
    """A connection beyond the limit: told to come again, and closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.WriteTransport, transport).write(b"421 4.3.2 Too many connections, come again later\r\n")
        transport.close()
