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

# Seconds an idle connection is kept: below a provider's own idle limit, so that we rarely write into a closing one.
_KEEP_ALIVE = 5.0


class Target(Struct, frozen=True):
    """One address as either library likes it best."""

    url: httpx.URL
    text: str
    origin: str


@lru_cache(maxsize=2048)
def parse(url: str) -> Target:
    """A sender's URL is the same for all its messages."""
    parsed = httpx.URL(url)
    return Target(parsed, str(parsed), f"{parsed.scheme}://{parsed.netloc.decode('ascii')}")


class Headers(httpx.Headers):
    """Headers as either library likes them best; those of an account are the same for all its requests."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.plain = dict(headers)


class GatedRequest(httpx.Request):
    """A request that knows its flight.

    Our transport takes the body as it is; a transport put in its place (respx) reads the stream, and by doing so asks
    `may_start`.
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
    """One origin's client. Made within a running event loop."""

    def __init__(self, *, connections: int, connect_seconds: float, read_seconds: float) -> None:
        transport = _SocketTransport(connections, connect_seconds, read_seconds)
        super().__init__(transport=transport, trust_env=False, follow_redirects=False)

    async def fly(self, request: GatedRequest) -> httpx.Response:
        """The answer's head, with a body still to be read. Raises what aiohttp raises."""
        return await self._transport_for_url(request.url).handle_async_request(request)


class _SocketTransport(httpx.AsyncBaseTransport):
    """Its pool is larger than its client's slots, so that nothing ever waits inside aiohttp."""

    def __init__(self, connections: int, connect_seconds: float, read_seconds: float) -> None:
        tls = httpx.create_ssl_context(trust_env=False)
        # aiohttp knows two: the socket's connect, and everything up to a usable connection.
        limits = aiohttp.ClientTimeout(sock_connect=connect_seconds, connect=connect_seconds, sock_read=read_seconds)
        self._session = aiohttp.ClientSession(
            connector=GatedConnector(ssl=tls, limit=connections + 8, keepalive_timeout=_KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=limits,
            auto_decompress=False,
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request, GatedRequest), "every request of ours has a flight"
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
        """A connection whose answer was read to its end goes back to the pool, any other is closed."""
        self._answer.release()
        await self._answer.wait_for_close()
