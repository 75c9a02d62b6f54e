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
    """`may_start` raised `error`; this wrapper carries it through HTTP libraries, which would translate it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class ConnectionGone(Exception):
    """The connection closed while `may_start` was being asked; nothing was written to it."""


class OnlyOnce(Exception):
    """The HTTP library tried to send a request a second time."""


class JournalEntry:
    """The progress of one request: whether permission was asked, and whether bytes may have been written.

    `answer_seconds` is the time limit from the first byte sent to the last byte received.
    """

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
        """Record that bytes may be written from now on, and start the time limit of the answer."""
        self.departed = True
        self._deadline.reschedule(asyncio.get_running_loop().time() + self._answer_seconds)


# The request that a connection is being opened for; aiohttp has no other way to pass it to its connector.
in_flight: ContextVar[JournalEntry | None] = ContextVar("in_flight", default=None)


class GatedConnector(aiohttp.TCPConnector):
    """Asks `may_start` when a connection is established, before aiohttp can write to it.

    It also makes a second send impossible: aiohttp repeats idempotent requests when a kept connection turns out to be
    closed, but a request that may have written bytes gets no second connection here.
    """

    async def connect(self, req: "ClientRequest", traces: "list[Trace]", timeout: "ClientTimeout") -> Connection:
        entry = in_flight.get()
        if entry is not None and entry.departed:
            raise OnlyOnce("a second connection for a request that may have been sent already")
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


# The poll flag for a peer that has closed its sending side. Linux has it; elsewhere only a reset is noticed.
_PEER_IS_DONE = getattr(select, "POLLRDHUP", 0)


def _has_ended(transport: asyncio.Transport | None) -> bool:
    """Whether the provider has closed or reset the connection, also if our event loop has not been told yet.

    Permissions are granted in batches, so a connection may have been closed for many milliseconds when its request is
    written. Bytes written then are lost, and nobody could prove that they were. Waiting data alone is no sign of an
    end: TLS servers send session tickets unasked.
    """
    if transport is None or transport.is_closing():
        return True
    descriptor = transport.get_extra_info("socket").fileno()
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, _PEER_IS_DONE)
    return bool(poll.poll(0))
