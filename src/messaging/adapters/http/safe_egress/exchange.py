"""The exchange with tenants' endpoints over HTTP, through the guard: one request, one answer, within one time limit.

No proxies or passwords from the environment, no cookies, no redirects, no decompression, HTTP/1.1, TLS 1.2 and later
with the certificate checked against the URL's host.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from time import monotonic
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct
from yarl import URL

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.http.safe_egress.guard import GuardedConnector, Passage, PooledRequest
from messaging.adapters.http.safe_egress.names import Lookup, Names, system_lookup
from messaging.adapters.http.safe_egress.trust import trust
from messaging.adapters.http.transport import ConnectionGone, OnlyOnce, in_flight
from messaging.application.ports.callbacks.delivering.exchange import (
    Answered,
    CallbackRequest,
    Exchanged,
    Failure,
    NoAnswer,
)
from messaging.domain.callbacks.target import Target, read_target

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
# What HTTP itself decides; a second one of them would let two readers see two requests.
_OWN_HEADERS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect", "keep-alive"}
)
_NETWORK: Final = (aiohttp.ClientError, HttpProcessingError, OSError, ConnectionGone, OnlyOnce)
# A line of the head that is longer is refused by the parser, which does not say so.
_LONGEST_LINE: Final = 8_190


class Limits(Struct, frozen=True, kw_only=True):
    """Limits of one exchange. `connect` covers DNS, TCP and TLS together, in seconds; `head` is in bytes.

    Of the body, `body` bytes are read within `body_seconds`, so that a short one leaves its connection for the next
    request; `excerpt` bytes of it are kept. `keep_alive` is how long a connection is kept without use, and
    `oldest` how long it is used at all, in seconds: its name may lead elsewhere by then.
    """

    connect: float = 3.0
    head: int = 16 * 1024
    body: int = 4 * 1024
    body_seconds: float = 2.0
    excerpt: int = 1024
    keep_alive: float = 3.0
    oldest: float = 60.0


class HttpCallbackExchange:
    """See `CallbackExchange`. It connects on first use, and is closed with `aclose`."""

    def __init__(
        self,
        rule: AddressRule,
        *,
        denied_ports: frozenset[int] = frozenset(),
        ca_bundle: str | None = None,
        limits: Limits | None = None,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._rule = rule
        self._denied_ports = denied_ports
        self._ca_bundle = ca_bundle
        self._limits = limits or Limits()
        self._names = Names(lookup)
        self._opened: aiohttp.ClientSession | None = None

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> aiohttp.ClientSession:
        limits = self._limits
        return aiohttp.ClientSession(
            connector=GuardedConnector(
                self._rule,
                head_limit=limits.head,
                oldest=limits.oldest,
                ssl=trust(self._ca_bundle),
                resolver=self._names,
                keepalive_timeout=limits.keep_alive,
                # Who calls bounds what is under way; a wait in here would count as the endpoint's.
                limit=0,
            ),
            request_class=PooledRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=limits.connect, sock_connect=limits.connect),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            read_bufsize=limits.body,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )

    async def post(self, request: CallbackRequest) -> Exchanged:
        """See `CallbackExchange.post`."""
        started = monotonic()
        headers = _headers(request.headers)
        target = read_target(request.url, denied_ports=self._denied_ports)
        if not isinstance(target, Target):
            return NoAnswer(failure="address_not_public", ms=0, detail=target[0].detail)
        way = Passage(request.pool)
        try:
            async with asyncio.timeout(request.timeout):
                answer = await self._request(way, target, headers, request.body)
        except _NETWORK as error:
            return _no_answer(way, target, error, started)
        excerpt = await self._excerpt(answer, started + request.timeout - monotonic())
        return Answered(
            status=answer.status, headers=_readable(answer), excerpt=excerpt, ms=_ms(started), peer=way.peer or ""
        )

    async def _request(
        self, way: Passage, target: Target, headers: Mapping[str, str], body: bytes
    ) -> aiohttp.ClientResponse:
        token = in_flight.set(way)
        try:
            return await self._session().post(
                # It has been read by a narrower rule than yarl's, so nothing in it is to be written otherwise.
                URL(target.url, encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
            )
        finally:
            in_flight.reset(token)

    async def _excerpt(self, answer: aiohttp.ClientResponse, seconds: float) -> bytes:
        """The beginning of the body. Its rest is not awaited: the answer is known, and only the connection is lost."""
        parts: list[bytes] = []
        length = 0
        try:
            async with asyncio.timeout(min(seconds, self._limits.body_seconds)):
                async for part in answer.content.iter_any():
                    parts.append(part)
                    length += len(part)
                    if length >= self._limits.body:
                        break
        except _NETWORK:
            # A body that is cut off or slow changes nothing about the status.
            answer.close()
        finally:
            # Returns the connection if the body was read to its end, and closes it otherwise.
            answer.release()
        return b"".join(parts)[: self._limits.excerpt]

    async def aclose(self) -> None:
        """Close all connections. No exchange may be under way."""
        if self._opened is not None:
            await self._opened.close()
        await self._names.close()


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    for name, value in given.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name[:40]!r} cannot be sent")
    return {"accept-encoding": "identity", **given}


def _readable(answer: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in answer.raw_headers:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return headers


def _no_answer(way: Passage, target: Target, error: Exception, started: float) -> NoAnswer:
    failure, detail = _judged(way, target, error)
    return NoAnswer(failure=failure, ms=_ms(started), detail=detail, peer=way.peer, sent=way.sent)


def _judged(way: Passage, target: Target, error: Exception) -> tuple[Failure, str]:
    """What went wrong, by how far the request had come; an error's class tells only what happened within a step."""
    if way.sent:
        return _after_sending(way, error)
    if way.refused and not way.tried:
        return "address_not_public", "The host's address is not public. The operator can allow networks."
    if isinstance(error, TimeoutError):
        if way.tried or target.address is not None:
            return "timeout", "No connection within the time limit."
        return "dns", "The host's name was not resolved within the time limit."
    if not way.tried:
        return "dns", "The host's name has no address."
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "tls", _of_tls(error)
    # A connection that is reset has been there; encrypting it is all that was done with it.
    if isinstance(getattr(error, "os_error", error), ConnectionResetError):
        return "tls", "The connection ended while it was being encrypted."
    return "refused", "No connection: the host refused it, or no way leads there."


def _after_sending(way: Passage, error: Exception) -> tuple[Failure, str]:
    if isinstance(error, TimeoutError):
        return "timeout", "No complete answer within the time limit."
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        if way.head > _LONGEST_LINE:
            return "head_too_long", "The head of the answer is too long."
        return "not_http", "What came back is no HTTP answer."
    return "reset", "The connection ended before the answer."


def _of_tls(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, aiohttp.ClientSSLError) else error
    said = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "the handshake failed"
    return f"Not encrypted: {said}."[:200]


def _ms(started: float) -> int:
    return round((monotonic() - started) * 1000)
