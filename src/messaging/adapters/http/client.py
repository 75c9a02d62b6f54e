"""Sends one HTTP request to a provider at most once, and reports what is certain about it afterwards.

What is certain is judged by how far the request had come, never by the class of an exception, because the same
exceptions occur before and after the first byte. Every request to a provider goes through this module; `transport`
builds its connections, and asks for permission before a request is written to one.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from typing import assert_never

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct

from messaging.adapters.http.transport import (
    AskingFailed,
    Client,
    ConnectionGone,
    GatedRequest,
    Headers,
    MayStart,
    OnlyOnce,
    RequestProgress,
    SaidNo,
    at_once,
    parse,
)
from messaging.application.ports.providers.sending import NotStarted
from messaging.domain.messages.retry import SendResult, Uncertain, Unreachable

REPLY_LIMIT = 256 * 1024
_REASON_LENGTH = 200


class Timeouts(Struct, frozen=True, kw_only=True):
    """Time limits in seconds. `connect` covers DNS, TCP and TLS together; `slot` the wait for a free connection.

    `read` is the silence between two reads; `answer` runs from the first byte sent to the last byte read. Both are long
    on purpose: giving up early turns sends that succeeded into sends with an unknown outcome.
    """

    connect: float = 3.0
    slot: float = 2.0
    read: float = 30.0
    answer: float = 40.0

    @property
    def longest(self) -> float:
        """The longest a request can take without `may_start`, in seconds; leases and drains must allow for it."""
        return self.slot + self.connect + self.answer


class Withheld(Struct, frozen=True):
    """`may_start` answered False, and nothing was written."""


class NotSent(Struct, frozen=True, kw_only=True):
    """No byte of the request left this process."""

    code: str
    reason: str


class NoReply(Struct, frozen=True, kw_only=True):
    """Bytes may have left; no complete status line and headers came back."""

    reason: str


class Reply(Struct, frozen=True, kw_only=True):
    """The provider's answer. `body` is None if it was cut off, too long or too slow; `flaw` then says which.

    Lookups in `headers` ignore the case of names.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    flaw: str = ""


Exchange = Withheld | NotSent | NoReply | Reply


def settled(exchange: Exchange, judge: Callable[[Reply], SendResult]) -> SendResult | NotStarted:
    """The result of a send, by how far its request came; `judge` classifies a reply."""
    match exchange:
        case Reply():
            return judge(exchange)
        case NotSent(code=code, reason=reason):
            return Unreachable(code=code, reason=reason)
        case NoReply(reason=reason):
            return Uncertain(code="no_reply", reason=f"The request was sent, but no answer came: {reason}")
        case Withheld():
            return NotStarted()
        case _:
            assert_never(exchange)


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
        """Make one request. `may_start` is awaited at most once, when the connection is established.

        Failures of the network or the server are returned, not raised; an exception of `may_start` is raised.
        """
        target = parse(url)
        line = self._line(target.origin)
        if not await self._take_slot(line):
            return NotSent(
                code="no_free_connection", reason=f"No free connection to the provider for {self._timeouts.slot} s."
            )
        try:
            # The time limit of the answer starts with the first byte, so that no timeout cancels `may_start` half-way.
            deadline = asyncio.timeout(None)
            progress = RequestProgress(may_start, deadline, self._timeouts.answer)
            plain = headers if isinstance(headers, Headers) else Headers(headers)
            request = GatedRequest(method, target, plain, body, progress)
            return await _exchange(line.client, request, deadline, reply_limit)
        finally:
            line.slots.release()

    async def aclose(self) -> None:
        lines = list(self._lines.values())
        self._lines.clear()
        for line in lines:
            await line.client.aclose()

    def _line(self, origin: str) -> "_Line":
        if (line := self._lines.get(origin)) is None:
            line = self._lines[origin] = _Line(self._connections, self._timeouts)
        return line

    async def _take_slot(self, line: "_Line") -> bool:
        """Wait for a slot, up to `slot` seconds. Unlike in aiohttp's pool, a cancelled wait leaks nothing."""
        if not line.slots.locked():
            return await line.slots.acquire()
        try:
            async with asyncio.timeout(self._timeouts.slot):
                return await line.slots.acquire()
        except TimeoutError:
            return False


class _Line:
    """One origin's client, and a semaphore with a slot for each request that may be in flight."""

    def __init__(self, connections: int, timeouts: Timeouts) -> None:
        self.slots = asyncio.Semaphore(connections)
        self.client = Client(connections=connections, connect_seconds=timeouts.connect, read_seconds=timeouts.read)


class _TooLong(Exception):
    """The body is longer than the limit, which is longer than any answer a provider documents."""


_NETWORK = (
    httpx.HTTPError,
    aiohttp.ClientError,
    HttpProcessingError,
    # Includes TimeoutError.
    OSError,
    ConnectionGone,
    OnlyOnce,
    _TooLong,
)


async def _exchange(client: Client, request: GatedRequest, deadline: asyncio.Timeout, reply_limit: int) -> Exchange:
    response: httpx.Response | None = None
    try:
        async with deadline:
            response = await client.transport_for(request).handle_async_request(request)
            try:
                body = await _read(response, reply_limit)
            finally:
                await response.aclose()
    except SaidNo:
        return Withheld()
    except AskingFailed as failed:
        raise failed.error from None
    except _NETWORK as error:
        return _known(request.progress, response, error)
    return Reply(status=response.status_code, headers=_readable(response), body=body)


def _known(progress: RequestProgress, response: httpx.Response | None, error: Exception) -> Exchange:
    """The result of a request that ended in `error`, judged by how far the request had come."""
    said = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
    if not progress.sent:
        return NotSent(code="not_sent", reason=said)
    if response is None:
        return NoReply(reason=said)
    return Reply(status=response.status_code, headers=_readable(response), body=None, flaw=said)


async def _read(response: httpx.Response, limit: int) -> bytes:
    parts: list[bytes] = []
    length = 0
    # The body goes through httpx's decoders only if it is compressed, which we never ask for.
    stream = response.aiter_bytes() if "content-encoding" in response.headers else response.stream
    assert isinstance(stream, AsyncIterable)
    async for part in stream:
        length += len(part)
        if length > limit:
            raise _TooLong(f"the reply is longer than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def _readable(response: httpx.Response) -> Mapping[str, str]:
    # Any bytes can be read as ISO 8859-1; without this httpx would try two other encodings for each header first.
    response.headers.encoding = "iso-8859-1"
    return response.headers
