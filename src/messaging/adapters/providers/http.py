"""How does one request reach a provider at most once, and what do we know about it afterwards?

The one module that builds provider connections: httpx over aiohttp's sockets (a third of the CPU of httpx's own
transport). What is known comes from the way the request took, never from the class of an exception, because the same
exceptions occur before and after the first byte.
"""

import asyncio
import select
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING

import aiohttp
import httpx
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from httpx_aiohttp import AiohttpTransport
from msgspec import Struct

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.tracing import Trace

MayStart = Callable[[], Awaitable[bool]]

REPLY_LIMIT = 256 * 1024
# Seconds an idle connection is kept: below a provider's own idle limit, so that we rarely write into a closing one.
_KEEP_ALIVE = 5.0
_REASON_LENGTH = 200


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds. `connect` covers DNS, TCP and TLS together; `slot` the wait for one of our own connections.

    `read` is silence between two reads; `answer` runs from the first byte sent to the last byte read. Both are long on
    purpose: giving up early turns sends that succeeded into sends nobody knows about.
    """

    connect: float = 3.0
    slot: float = 2.0
    read: float = 30.0
    answer: float = 40.0

    @property
    def longest(self) -> float:
        """The longest a request can take, not counting `may_start`: what leases and drains must allow for."""
        return self.slot + self.connect + self.answer


class Withheld(Struct, frozen=True):
    """`may_start` said no: nothing was written."""


class NotSent(Struct, frozen=True, kw_only=True):
    """No byte of the request left this process."""

    code: str
    reason: str


class NoReply(Struct, frozen=True, kw_only=True):
    """Bytes may have left; no complete status line and headers came back."""

    reason: str


class Reply(Struct, frozen=True, kw_only=True):
    """A status came back. `body` is None when it was cut, too long or too slow; `flaw` then says which.

    Headers are found whatever the case of their names.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    flaw: str = ""


Exchange = Withheld | NotSent | NoReply | Reply


async def at_once() -> bool:
    """A `may_start` for requests that need no permission."""
    return True


class ProviderHttp:
    """HTTP to providers: one pool per origin, no retries, no redirects, no proxies from the environment, no cookies.

    Built synchronously, connects on first use, closed with `aclose`. `connections` bounds what is in flight per origin.
    """

    def __init__(self, *, connections: int = 256, timeouts: Timeouts | None = None) -> None:
        self._connections = connections
        self._timeouts = timeouts or Timeouts()
        self._lines: dict[str, _Line] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        may_start: MayStart = at_once,
        reply_limit: int = REPLY_LIMIT,
    ) -> Exchange:
        """Make one request. `may_start` is awaited when a connection stands, at most once; what it raises comes out.

        Raises nothing for what a network or a server may do.
        """
        target, origin = _parse(url)
        line = self._line(origin)
        if not await self._take_slot(line):
            return NotSent(
                code="no_free_connection", reason=f"No free connection to the provider for {self._timeouts.slot} s."
            )
        try:
            # The answer's time starts with the first byte, so that nothing ever cancels a `may_start` half-way.
            deadline = asyncio.timeout(None)
            flight = _Flight(may_start, deadline, self._timeouts.answer)
            request = _GatedRequest(method, target, headers, body, flight, self._timeouts)
            return await _fly(line.client, request, flight, deadline, reply_limit)
        finally:
            line.slots.release()

    async def aclose(self) -> None:
        lines = list(self._lines.values())
        self._lines.clear()
        for line in lines:
            await line.client.aclose()

    def _line(self, origin: str) -> "_Line":
        if (line := self._lines.get(origin)) is None:
            line = self._lines[origin] = _Line(self._connections)
        return line

    async def _take_slot(self, line: "_Line") -> bool:
        """Wait here, not in the pool: a cancelled wait for a semaphore leaks nothing."""
        if not line.slots.locked():
            return await line.slots.acquire()
        try:
            async with asyncio.timeout(self._timeouts.slot):
                return await line.slots.acquire()
        except TimeoutError:
            return False


@lru_cache(maxsize=2048)
def _parse(url: str) -> tuple[httpx.URL, str]:
    """The URL and its origin; a sender's URL is the same for all its messages."""
    parsed = httpx.URL(url)
    return parsed, f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


class _Line:
    """The client for one origin; its pool is larger than its slots, so that nothing ever waits inside aiohttp."""

    def __init__(self, connections: int) -> None:
        self.slots = asyncio.Semaphore(connections)
        tls = httpx.create_ssl_context(trust_env=False)

        def open_session() -> aiohttp.ClientSession:
            connector = _GatedConnector(ssl=tls, limit=connections + 8, keepalive_timeout=_KEEP_ALIVE)
            return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

        self.client = _Client(
            transport=_GatedTransport(verify=tls, trust_env=False, client=open_session),
            trust_env=False,
            follow_redirects=False,
        )


class _NoCookies(httpx.Cookies):
    """Keeps nothing. A jar that keeps nothing would still be shown every answer, wrapped up as urllib wants it."""

    def extract_cookies(self, response: httpx.Response) -> None:
        pass


class _Client(httpx.AsyncClient):
    @property
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        raise TypeError("requests to providers carry no cookies")


_NO_COOKIES = _NoCookies()


class _SaidNo(Exception):
    """`may_start` answered False."""


class _AskingFailed(Exception):
    """`may_start` itself failed; carried out through libraries that would translate it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _ConnectionGone(Exception):
    """The connection closed while `may_start` was being asked; nothing was written to it."""


class _OnlyOnce(Exception):
    """Something below us wanted to send the same request again."""


class _TooLong(Exception):
    """The body is longer than anything a provider has to say."""


_NETWORK = (
    httpx.HTTPError,
    aiohttp.ClientError,
    HttpProcessingError,
    # Includes TimeoutError.
    OSError,
    _ConnectionGone,
    _OnlyOnce,
    _TooLong,
)


class _Flight:
    """How far one request has come."""

    def __init__(self, may_start: MayStart, deadline: asyncio.Timeout, answer_seconds: float) -> None:
        self._may_start = may_start
        self._deadline = deadline
        self._answer_seconds = answer_seconds
        self.departed = False
        self.response: httpx.Response | None = None

    async def ask(self) -> None:
        try:
            allowed = await self._may_start()
        except Exception as error:
            raise _AskingFailed(error) from error
        if not allowed:
            raise _SaidNo

    def depart(self) -> None:
        """From here on bytes may have left."""
        self.departed = True
        self._deadline.reschedule(asyncio.get_running_loop().time() + self._answer_seconds)

    def known(self, error: Exception) -> Exchange:
        """What can be said after `error`, judged by how far the request had come."""
        said = _in_words(error)
        if not self.departed:
            return NotSent(code="not_sent", reason=said)
        if self.response is None:
            return NoReply(reason=said)
        return Reply(status=self.response.status_code, headers=_readable(self.response), body=None, flaw=said)


def _in_words(error: Exception) -> str:
    """The transport turns a reset or closed connection into a ConnectTimeout; what it was says more."""
    original = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    return f"{type(original).__name__}: {original}"[:_REASON_LENGTH]


class _GatedRequest(httpx.Request):
    """A request that knows its flight.

    Our transport takes the body as it is; a transport put in its place (respx) reads the stream, and by doing so asks
    `may_start`.
    """

    def __init__(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes, flight: _Flight, limits: Timeouts
    ) -> None:
        # aiohttp knows two: the socket's connect, and everything up to a usable connection, which httpx calls "pool".
        timeout = {"connect": limits.connect, "pool": limits.connect, "read": limits.read}
        super().__init__(method, url, headers=headers, stream=_Freight(body, flight), extensions={"timeout": timeout})
        # They were encoded as such just now; httpx would find out by decoding each of them.
        self.headers.encoding = "ascii"
        self.body = body
        self.flight = flight

    @property
    def content(self) -> bytes:
        return self.body


class _Freight(httpx.AsyncByteStream):
    def __init__(self, body: bytes, flight: _Flight) -> None:
        self._body = body
        self._flight = flight

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await self._flight.ask()
        self._flight.depart()
        yield self._body


_in_flight: ContextVar[_Flight | None] = ContextVar("in_flight", default=None)


class _GatedTransport(AiohttpTransport):
    """Tells the connector whose request it is connecting for."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        token = _in_flight.set(request.flight if isinstance(request, _GatedRequest) else None)
        try:
            return await super().handle_async_request(request)
        finally:
            _in_flight.reset(token)


class _GatedConnector(aiohttp.TCPConnector):
    """Asks `may_start` between "the connection stands" and handing it over, before which nothing can be written to it.

    This is also what makes a second send impossible: aiohttp repeats idempotent requests when a kept connection turns
    out to be closed, and a departed request gets no second connection.
    """

    async def connect(self, req: "ClientRequest", traces: "list[Trace]", timeout: "ClientTimeout") -> Connection:
        flight = _in_flight.get()
        if flight is not None and flight.departed:
            raise _OnlyOnce("a second connection for a request that has already left")
        connection = await super().connect(req, traces, timeout)
        if flight is not None:
            await _board(flight, connection)
        return connection


async def _board(flight: _Flight, connection: Connection) -> None:
    try:
        await flight.ask()
    except _SaidNo:
        connection.release()
        raise
    except BaseException:
        connection.close()
        raise
    if _has_ended(connection.transport):
        connection.close()
        raise _ConnectionGone("the provider closed the connection before the first byte")
    flight.depart()


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


async def _fly(
    client: httpx.AsyncClient, request: httpx.Request, flight: _Flight, deadline: asyncio.Timeout, reply_limit: int
) -> Exchange:
    try:
        async with deadline:
            response = flight.response = await client.send(request, stream=True)
            try:
                body = await _read(response, reply_limit)
            finally:
                await response.aclose()
    except _SaidNo:
        return Withheld()
    except _AskingFailed as failed:
        raise failed.error from None
    except _NETWORK as error:
        return flight.known(error)
    return Reply(status=response.status_code, headers=_readable(response), body=body)


async def _read(response: httpx.Response, limit: int) -> bytes:
    parts: list[bytes] = []
    length = 0
    async for part in _parts(response):
        length += len(part)
        if length > limit:
            raise _TooLong(f"the reply is longer than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def _parts(response: httpx.Response) -> AsyncIterable[bytes]:
    """The body as it came; by httpx's decoders only if there is something to decode, which we ask nobody for."""
    if "content-encoding" in response.headers:
        return response.aiter_bytes()
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream


def _readable(response: httpx.Response) -> Mapping[str, str]:
    # Whatever it is, it can be read as this; httpx would try each of them as two others first.
    response.headers.encoding = "iso-8859-1"
    return response.headers
