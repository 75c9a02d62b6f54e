"""Carries an httpx request over an aiohttp connection, with as little work in between as possible.

httpx gives the types, and the place where tests put their own transport (respx). Features that we have switched off or
never use are left out. Of httpx's client: authentication flows, event hooks, cookies, redirects (a redirect is
returned like any other answer) and a log line below our level. Of the `httpx-aiohttp` transport: the translation of
exceptions, which would hide how far the request had come, and parsing address, headers and time limits anew for each
request.
"""

from collections.abc import AsyncIterator, Mapping
from functools import lru_cache

import aiohttp
import httpx
from msgspec import Struct

from messaging.adapters.providers.departure import GatedConnector, JournalEntry, in_flight

# Seconds an idle connection is kept. A provider's own limit is longer, so we rarely write to a connection it closes.
_KEEP_ALIVE = 5.0


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
    """A request with its `JournalEntry`, through which permission is asked before the first byte is written.

    Our own transport reads `body`, and its connector asks for permission. A transport that a test puts in its place
    (respx) reads the stream instead, which asks for permission itself.
    """

    def __init__(self, method: str, target: Target, headers: Headers, body: bytes, entry: JournalEntry) -> None:
        super().__init__(method, target.url, headers=headers, stream=_Freight(body, entry))
        self.target = target
        self.plain_headers = headers.plain
        self.body = body
        self.entry = entry


class _Freight(httpx.AsyncByteStream):
    def __init__(self, body: bytes, entry: JournalEntry) -> None:
        self._body = body
        self._entry = entry

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await self._entry.ask()
        self._entry.depart()
        yield self._body


class Client(httpx.AsyncClient):
    """One origin's HTTP client. It must be made within a running event loop."""

    def __init__(self, *, connections: int, connect_seconds: float, read_seconds: float) -> None:
        transport = _SocketTransport(connections, connect_seconds, read_seconds)
        super().__init__(transport=transport, trust_env=False, follow_redirects=False)

    async def fly(self, request: GatedRequest) -> httpx.Response:
        """Send the request; return status and headers, with the body still to be read. Raises what aiohttp raises."""
        return await self._transport_for_url(request.url).handle_async_request(request)


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
        assert isinstance(request, GatedRequest), "every request has a journal entry"
        token = in_flight.set(request.entry)
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
