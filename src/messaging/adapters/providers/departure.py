"""Asks for permission before the first byte of a request is written, and records whether bytes may have been written.

`may_start` is the permission: a function that commits the start of the attempt to the database and answers whether the
request may be sent.
"""

import asyncio
import select
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.connector import Connection

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.tracing import Trace

MayStart = Callable[[], Awaitable[bool]]


async def at_once() -> bool:
    """A `may_start` for requests that need no permission."""
    return True


class SaidNo(Exception):
    """`may_start` answered False."""


class AskingFailed(Exception):
    """`may_start` itself failed; carried out through libraries that would translate it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class ConnectionGone(Exception):
    """The connection closed while `may_start` was being asked; nothing was written to it."""


class OnlyOnce(Exception):
    """Something below us wanted to send the same request again."""


class JournalEntry:
    """How far one request has come."""

    def __init__(self, may_start: MayStart, deadline: asyncio.Timeout, answer_seconds: float) -> None:
        self._may_start = may_start
        self._deadline = deadline
        self._answer_seconds = answer_seconds
        self.departed = False

    async def ask(self) -> None:
        try:
            allowed = await self._may_start()
        except Exception as error:
            raise AskingFailed(error) from error
        if not allowed:
            raise SaidNo

    def depart(self) -> None:
        """From here on bytes may have left."""
        self.departed = True
        self._deadline.reschedule(asyncio.get_running_loop().time() + self._answer_seconds)


# Whose request is being connected for: aiohttp has no other way to tell its connector.
in_flight: ContextVar[JournalEntry | None] = ContextVar("in_flight", default=None)


class GatedConnector(aiohttp.TCPConnector):
    """Asks `may_start` between "the connection stands" and handing it over, before which nothing can be written to it.

    This is also what makes a second send impossible: aiohttp repeats idempotent requests when a kept connection turns
    out to be closed, and a departed request gets no second connection.
    """

    async def connect(self, req: "ClientRequest", traces: "list[Trace]", timeout: "ClientTimeout") -> Connection:
        entry = in_flight.get()
        if entry is not None and entry.departed:
            raise OnlyOnce("a second connection for a request that has already left")
        connection = await super().connect(req, traces, timeout)
        if entry is not None:
            await _board(entry, connection)
        return connection


async def _board(entry: JournalEntry, connection: Connection) -> None:
    try:
        await entry.ask()
    except SaidNo:
        connection.release()
        raise
    except BaseException:
        connection.close()
        raise
    if _has_ended(connection.transport):
        connection.close()
        raise ConnectionGone("the provider closed the connection before the first byte")
    entry.depart()


# Linux tells when the other side has said its last; elsewhere only a reset shows.
_PEER_IS_DONE = getattr(select, "POLLRDHUP", 0)


def _has_ended(transport: asyncio.Transport | None) -> bool:
    """Whether the provider has closed or reset the connection, also if our event loop has not been told yet.

    Permissions are granted by the batch: by the time the last of them writes, its connection may have been closed for
    many milliseconds. What is written then is lost, and nobody could prove it. Data alone mean nothing: TLS servers
    send tickets unasked.
    """
    if transport is None or transport.is_closing():
        return True
    descriptor = transport.get_extra_info("socket").fileno()
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, _PEER_IS_DONE)
    return bool(poll.poll(0))
