"""The layer around every request, whatever its outcome: an id, a trace, safe headers, a log line and metrics.

One layer does all of it: each further one would cost every request another function around every event.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import perf_counter
from typing import Final

import structlog
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from msgspec import Struct

from messaging.application.ports.telemetry import Telemetry
from messaging.domain.shared.ids import Prefix, TenantId, typeid
from messaging.domain.tenants.tenant import Principal
from messaging.domain.tracing import journey
from messaging.domain.tracing.spans import Span, SpanRef
from messaging.entrypoints.observability.access_log import AccessLog
from messaging.entrypoints.observability.operations import OPERATIONS_PATHS

Headers = Iterable[tuple[bytes, bytes]]
Express = Mapping[tuple[str, str], ASGIApp]

# Random bytes per request: a request id takes 12 of them, a trace id 16, a span id 8.
_RANDOM_BYTES = 36
# What callers may choose as a request id: visible characters that are harmless in logs and headers.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")
# W3C Trace Context, version 00: version, trace id, parent id, flags; ids of zeros only are invalid.
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")

_SAFE_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
# Callers may invent methods; the labels of metrics and the fields of logs are a closed set.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def request_id_of(scope: Scope) -> str:
    return str(scope["state"]["request_id"])


def trace_id_of(scope: Scope) -> str:
    return str(scope["state"]["trace_id"])


def name_span(scope: Scope, span_id: str | None) -> None:
    """Give the request's span this id, which other spans have as their parent; None leaves it a random one."""
    if span_id is not None:
        scope["state"]["span_id"] = span_id


class _Identity(Struct, frozen=True):
    """The ids of one request. `span_id` is a span of our own within the caller's trace, `parent_id` the caller's."""

    request_id: str
    trace_id: str
    span_id: str
    flags: str
    parent_id: str | None

    def headers(self, span_id: str, *, sampled: bool) -> Headers:
        traceparent = f"00-{self.trace_id}-{span_id}-{'01' if sampled else self.flags}".encode()
        return ((b"x-request-id", self.request_id.encode()), (b"traceparent", traceparent), *_SAFE_HEADERS)


class Edge:
    """The outermost layer, so that 404s and failures are covered as well.

    `express` are applications by method and path that take the framework's place.
    """

    def __init__(self, app: Litestar, *, express: Express, log: AccessLog, telemetry: Telemetry) -> None:
        self.app = app
        self._allowed = {
            route.path_format: ", ".join(sorted(route.methods)).encode()
            for route in app.routes
            if isinstance(route, HTTPRoute)
        }
        self._express = express
        self._log = log
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._serve(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        identity = _identify(scope["headers"])
        sampled = self._telemetry.traces(identity.trace_id)
        state = scope.setdefault("state", {})
        state["request_id"], state["trace_id"] = identity.request_id, identity.trace_id
        structlog.contextvars.bind_contextvars(request_id=identity.request_id, trace_id=identity.trace_id)
        state["span_id"] = identity.span_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*self._corrected(scope, message["headers"])]
                present = {name for name, _ in headers}
                own = identity.headers(state["span_id"], sampled=sampled)
                headers += [item for item in own if item[0] not in present]
                message["headers"] = headers
            await send(message)

        try:
            app = self._express.get((scope["method"], scope["path"]), self.app)
            await app(scope, receive, send_with_headers)
        finally:
            # Health probes come every few seconds; a log line and a count for each would tell nothing.
            if scope["path"] not in OPERATIONS_PATHS:
                self._tell(scope, identity, status, perf_counter() - began)
                if sampled:
                    self._telemetry.emit((_span(scope, identity, status, perf_counter() - began),))

    def _corrected(self, scope: HTTPScope, headers: Headers) -> Headers:
        """Corrects the Allow header of OPTIONS: Litestar 2.25 lists only the methods of a path's first handler."""
        if scope["method"] != "OPTIONS" or (allowed := self._allowed.get(scope.get("path_template", ""))) is None:
            return headers
        return [(name, allowed if name == b"allow" else value) for name, value in headers]

    def _tell(self, scope: HTTPScope, identity: _Identity, status: int, seconds: float) -> None:
        """Counts and logs the request: the template of its route instead of the path, and neither query nor body, so
        that no recipient and no id gets out.
        """
        principal = scope.get("auth")
        method, route = _operation(scope)
        self._telemetry.count("http_requests", method=method, route=route, status=str(status))
        self._telemetry.observe("http_request_seconds", seconds, method=method, route=route)
        self._log(
            request_id=identity.request_id,
            trace_id=identity.trace_id,
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            tenant=_public(principal.tenant_id) if isinstance(principal, Principal) else None,
        )


def _operation(scope: HTTPScope) -> tuple[str, str]:
    """Method and template of the route, each of a closed set."""
    method = scope["method"] if scope["method"] in _METHODS else "other"
    return method, scope.get("path_template") or "unmatched"


def _span(scope: HTTPScope, identity: _Identity, status: int, seconds: float) -> Span:
    method, route = _operation(scope)
    ended = datetime.now(UTC)
    return journey.request(
        SpanRef(identity.trace_id, scope["state"]["span_id"]),
        parent_id=identity.parent_id,
        method=method,
        route=route,
        status=status,
        began=ended - timedelta(seconds=seconds),
        ended=ended,
    )


@lru_cache(maxsize=4096)
def _public(tenant_id: TenantId) -> str:
    return typeid(Prefix.TENANT, tenant_id)


def _random(*, at_once: int = 128) -> Iterator[str]:
    """36 random bytes as hex digits, without end. The operating system is asked for many at a time: a call a request
    took 3 % of the processor time of accepting one."""
    while True:
        digits = os.urandom(_RANDOM_BYTES * at_once).hex()
        yield from (digits[start : start + 2 * _RANDOM_BYTES] for start in range(0, len(digits), 2 * _RANDOM_BYTES))


_random_digits = _random()


def _identify(headers: Headers) -> _Identity:
    """The request id and trace that the caller gave, each replaced by a new one if it is missing or malformed."""
    new = next(_random_digits)
    request_id, trace_id, flags = f"req_{new[:24]}", new[24:56], "00"
    parent_id = None
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent" and (found := _TRACEPARENT.fullmatch(value)) and value[:2] != b"ff":
            trace_id, parent_id, flags = found[1].decode(), found[2].decode(), found[3].decode()
    return _Identity(request_id, trace_id, new[56:], flags, parent_id)
