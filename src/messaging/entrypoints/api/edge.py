"""What every request gets, whatever becomes of it: an id, a trace, safe headers and one line in the log."""

import re
import secrets
import time
from collections.abc import Iterable

import structlog
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope, Message, Receive, Scope, Send

from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.tenants.tenant import Principal
from messaging.entrypoints.telemetry import OPERATIONS_PATHS

Headers = Iterable[tuple[bytes, bytes]]

_log = structlog.get_logger("access")

# What callers may choose as a request id: visible, harmless in logs and headers.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")
# W3C Trace Context, version 00: version, trace id, parent id, flags; ids of zeros only are invalid.
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")

_SAFE_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


def request_id_of(scope: Scope) -> str:
    return str(scope["state"]["request_id"])


def trace_id_of(scope: Scope) -> str:
    return str(scope["state"]["trace_id"])


class Edge:
    """The outermost layer, so that 404s and failures are covered as well."""

    def __init__(self, app: Litestar) -> None:
        self.app = app
        self._allowed = {
            route.path_format: ", ".join(sorted(route.methods)).encode()
            for route in app.routes
            if isinstance(route, HTTPRoute)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._serve(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id, trace_id, flags = _identify(scope["headers"])
        state = scope.setdefault("state", {})
        state["request_id"], state["trace_id"] = request_id, trace_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, trace_id=trace_id)
        traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-{flags}".encode()
        added = ((b"x-request-id", request_id.encode()), (b"traceparent", traceparent), *_SAFE_HEADERS)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*self._corrected(scope, message["headers"])]
                present = {name for name, _ in headers}
                message["headers"] = [*headers, *(item for item in added if item[0] not in present)]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            # Probes come every few seconds and say nothing new.
            if scope["path"] not in OPERATIONS_PATHS:
                _write_line(scope, status, started)

    def _corrected(self, scope: HTTPScope, headers: Headers) -> Headers:
        """Litestar 2.25 answers OPTIONS with the methods of a path's first handler only."""
        allowed = self._allowed.get(scope.get("path_template", ""))
        if scope["method"] != "OPTIONS" or allowed is None:
            return headers
        return [(name, allowed if name == b"allow" else value) for name, value in headers]


def _identify(headers: Headers) -> tuple[str, str, str]:
    """The request id and trace the caller gave, else new ones; what it gave in a wrong form is not kept."""
    request_id = trace_id = flags = None
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent" and (found := _TRACEPARENT.fullmatch(value)) and value[:2] != b"ff":
            trace_id, flags = found[1].decode(), found[2].decode()
    return request_id or f"req_{secrets.token_hex(12)}", trace_id or secrets.token_hex(16), flags or "00"


def _write_line(scope: HTTPScope, status: int, started: float) -> None:
    """The route's template, not the path; no query, no body: neither recipients nor ids of others end up in logs."""
    principal = scope.get("auth")
    _log.info(
        "request",
        method=scope["method"],
        route=scope.get("path_template") or "unmatched",
        status=status,
        ms=round((time.perf_counter() - started) * 1000, 2),
        tenant=typeid(Prefix.TENANT, principal.tenant_id) if isinstance(principal, Principal) else None,
    )
