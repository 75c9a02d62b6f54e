"""Carries an httpx request over an aiohttp connection, and asks for permission before the first byte is written.

`may_start` is the permission: a function that commits the start of the attempt to the database and answers whether the
request may be sent. Whether bytes may have been written is recorded, because nothing else tells what is certain.

httpx gives the types, and the place where tests put their own transport (respx). Features that we have switched off or
never use are left out. Of httpx's client: authentication flows, event hooks, cookies, redirects (a redirect is
returned like any other answer) and a log line below our level. Of the `httpx-aiohttp` transport: the translation of
exceptions, which would hide how far the request had come, and parsing address, headers and time limits anew for each
request.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING

import aiohttp
import httpx
from aiohttp.connector import Connection
from msgspec import Struct

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.tracing import Trace

# Seconds an idle connection is kept. A provider's own limit is longer, so we rarely write to a connection it closes.
_KEEP_ALIVE = 5.0

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


class RequestProgress:
    """The progress of one request: whether permission was asked, and whether bytes may have been written.

    `answer_seconds` is the time limit from the first byte sent to the last byte received.
    """

    def __init__(self, may_start: MayStart, deadline: asyncio.Timeout, answer_seconds: float) -> None:
        self._may_start = may_start
        self._deadline = deadline
        self._answer_seconds = answer_seconds
        self.sent = False

    async def ask(self) -> None:
        """Raises SaidNo or AskingFailed unless the request may be sent now."""
        try:
            allowed = await self._may_start()
        except Exception as error:
            raise AskingFailed(error) from error
        if not allowed:
            raise SaidNo

    def mark_sent(self) -> None:
        """Record that bytes may be written from now on, and start the time limit of the answer."""
        self.sent = True
        self._deadline.reschedule(asyncio.get_running_loop().time() + self._answer_seconds)


# The request that a connection is being opened for; aiohttp has no other way to pass it to its connector.
in_flight: ContextVar[RequestProgress | None] = ContextVar("in_flight", default=None)


class GatedConnector(aiohttp.TCPConnector):
    """Asks `may_start` when a connection is established, before aiohttp can write to it.

    It also makes a second send impossible: aiohttp repeats idempotent requests when a kept connection turns out to be
    closed, but a request that may have written bytes gets no second connection here.
    """

    async def connect(self, req: "ClientRequest", traces: "list[Trace]", timeout: "ClientTimeout") -> Connection:
        progress = in_flight.get()
        if progress is not None and progress.sent:
            raise OnlyOnce("a second connection for a request that may have been sent already")
        connection = await super().connect(req, traces, timeout)
        if progress is None:
            return connection
        try:
            await progress.ask()
        except SaidNo:
            connection.release()
            raise
        except BaseException:
            connection.close()
            raise
        if has_ended(connection.transport):
            connection.close()
            raise ConnectionGone("the provider closed the connection before the first byte")
        progress.mark_sent()
        return connection


# The poll flag for a peer that has closed its sending side. Linux has it; elsewhere only a reset is noticed.
_PEER_IS_DONE = getattr(select, "POLLRDHUP", 0)


def has_ended(transport: asyncio.Transport | None) -> bool:
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


class Target(Struct, frozen=True):
    """One address in the form that each of the two libraries takes fastest."""

    url: httpx.URL
    text: str
    origin: str


@lru_cache(maxsize=2048)
def parse(url: str) -> Target:
    """The parsed address; cached, because all messages of a sender have the same URL."""
    parsed = httpx.URL(url)
    return Target(parsed, str(parsed), f"{parsed.scheme}://{parsed.netloc.decode('ascii')}")


class Headers(httpx.Headers):
    """Headers in the form that each library takes fastest; one instance serves all requests of an account."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.plain = dict(headers)


class GatedRequest(httpx.Request):
    """A request with its `RequestProgress`, through which permission is asked before the first byte is written.

    Our own transport reads `body`, and its connector asks for permission. A transport that a test puts in its place
    (respx) reads the stream instead, which asks for permission itself.
    """

    def __init__(self, method: str, target: Target, headers: Headers, body: bytes, progress: RequestProgress) -> None:
        super().__init__(method, target.url, headers=headers, stream=_Freight(body, progress))
        self.target = target
        self.plain_headers = headers.plain
        self.body = body
        self.progress = progress


class _Freight(httpx.AsyncByteStream):
    def __init__(self, body: bytes, progress: RequestProgress) -> None:
        self._body = body
        self._progress = progress

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await self._progress.ask()
        self._progress.mark_sent()
        yield self._body


class Client(httpx.AsyncClient):
    """One origin's HTTP client. It must be made within a running event loop."""

    def __init__(self, *, connections: int, connect_seconds: float, read_seconds: float) -> None:
        transport = _SocketTransport(connections, connect_seconds, read_seconds)
        super().__init__(transport=transport, trust_env=False, follow_redirects=False)

    def transport_for(self, request: GatedRequest) -> httpx.AsyncBaseTransport:
        """The transport that sends the request and answers with status and headers, the body still to be read; it
        raises what aiohttp raises. Tests put their own in its place (respx).
        """
        return self._transport_for_url(request.url)


class _SocketTransport(httpx.AsyncBaseTransport):
    """The transport over aiohttp. Its pool is larger than the client's slots, so no request waits inside aiohttp."""

    def __init__(self, connections: int, connect_seconds: float, read_seconds: float) -> None:
        tls = httpx.create_ssl_context(trust_env=False)
        # aiohttp has two limits here: for the socket's connect, and for everything up to a usable connection.
        limits = aiohttp.ClientTimeout(sock_connect=connect_seconds, connect=connect_seconds, sock_read=read_seconds)
        self._session = aiohttp.ClientSession(
            connector=GatedConnector(ssl=tls, limit=connections + 8, keepalive_timeout=_KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=limits,
            auto_decompress=False,
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request, GatedRequest), "every request records its progress"
        token = in_flight.set(request.progress)
        try:
            answer = await self._session.request(
                request.method,
                request.target.text,
                headers=request.plain_headers,
                data=request.body or None,
                allow_redirects=False,
            )
        finally:
            in_flight.reset(token)
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer), request=request)

    async def aclose(self) -> None:
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._answer.content.iter_any():
            yield part

    async def aclose(self) -> None:
        """Return the connection to the pool if the answer was read to its end; close it otherwise."""
        self._answer.release()
        await self._answer.wait_for_close()
