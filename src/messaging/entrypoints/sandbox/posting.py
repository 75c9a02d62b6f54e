"""How callbacks are posted: HTTP/1.1 on connections that are kept for a moment, and only the status is of interest.

The look-alike shares its machine with what it helps to measure, and posts more than it is asked: a general client took
half of what a callback cost.
"""

import asyncio
import ssl
import time
from collections import defaultdict
from functools import lru_cache
from typing import Final

import httptools
import httpx
from msgspec import Struct

# Below the time after which servers commonly end an idle connection: a POST must not meet its end half way.
_KEPT_SECONDS: Final = 4.0
# A longer answer is not worth reading for the sake of its connection.
_LONGEST_ANSWER: Final = 65_536

PostErrors = (OSError, UnicodeError, httptools.HttpParserError, httpx.InvalidURL)
"""What `Poster.post` raises when there is no answer."""


class _Target(Struct, frozen=True):
    """A URL, taken apart once."""

    host: str
    port: int
    tls: bool
    head: bytes


class Poster:
    """Connections by origin, as many as there are POSTs at the same time; the one used last is used next."""

    def __init__(self) -> None:
        self._idle: defaultdict[tuple[str, int, bool], list[_Connection]] = defaultdict(list)
        self._all: set[_Connection] = set()

    async def post(self, url: str, body: bytes, signature: str) -> int:
        """The status of the answer; raises one of `PostErrors` without one. Redirects are answers like others."""
        target = _read(url)
        connection = self._take(target) or await self._connect(target)
        try:
            return await connection.post(b"%b%b\r\ncontent-length: %d\r\n\r\n%b" % (
                target.head, signature.encode(), len(body), body,
            ))  # fmt: skip
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        for connection in tuple(self._all):
            connection.close()

    def _take(self, target: _Target) -> "_Connection | None":
        """One that was used a moment ago, or none."""
        idle = self._idle[target.host, target.port, target.tls]
        long_ago = time.monotonic() - _KEPT_SECONDS
        while idle:
            if (connection := idle.pop()).idle_since > long_ago:
                return connection
            connection.close()
        return None

    async def _connect(self, target: _Target) -> "_Connection":
        loop = asyncio.get_running_loop()
        idle = self._idle[target.host, target.port, target.tls]
        tls = _tls() if target.tls else None
        _, connection = await loop.create_connection(
            lambda: _Connection(idle, self._all), target.host, target.port, ssl=tls
        )
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time. Whoever waits learns the status; when all is read, the connection is `idle` again."""

    def __init__(self, idle: "list[_Connection]", everybody: "set[_Connection]") -> None:
        self.idle_since = 0.0
        self._idle = idle
        self._everybody = everybody
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None
        self._length = 0

    async def post(self, request: bytes) -> int:
        if self._transport is None:
            raise ConnectionResetError
        self._answer = asyncio.get_running_loop().create_future()
        self._length = 0
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # --- what the event loop calls ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as over TCP
        self._transport = transport
        self._everybody.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._everybody.discard(self)
        if self in self._idle:
            self._idle.remove(self)
        self._fail(error or ConnectionResetError())

    # --- what the parser calls ----------------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self._answer is not None and not self._answer.done():
            self._answer.set_result(status)

    def on_body(self, part: bytes) -> None:
        self._length += len(part)
        if self._length > _LONGEST_ANSWER:
            self.close()

    def on_message_complete(self) -> None:
        if self._answer is None or not self._answer.done():
            return  # an interim answer, or one that nobody asked for
        self._answer = None
        if self._parser.should_keep_alive():
            self.idle_since = time.monotonic()
            self._idle.append(self)
        else:
            self.close()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


@lru_cache(maxsize=256)
def _read(url: str) -> _Target:
    parsed = httpx.URL(url)
    if not parsed.host:
        raise httpx.InvalidURL(f"{url} names no host")
    tls = parsed.scheme == "https"
    head = (
        b"POST %b HTTP/1.1\r\nhost: %b\r\nuser-agent: facebookexternalua\r\naccept: */*\r\n"
        b"content-type: application/json\r\nx-hub-signature-256: " % (parsed.raw_path, parsed.netloc)
    )
    return _Target(parsed.raw_host.decode(), parsed.port or (443 if tls else 80), tls, head)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
