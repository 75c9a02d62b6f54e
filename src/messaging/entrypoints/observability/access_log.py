"""The log line of each request that a process answers."""

import asyncio
import logging
import sys

import msgspec

from messaging.entrypoints.observability.logs import encode, timestamp
from messaging.entrypoints.observability.redaction import Redaction


class AccessLine(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a request's log line. All but the request id are ours or of a closed set."""

    request_id: str
    trace_id: str
    method: str
    route: str
    status: int
    ms: float
    tenant: str | None
    process: str
    at: str = msgspec.field(default_factory=timestamp)
    event: str = "request"
    level: str = "info"
    logger: str = "access"


class AccessLog:
    """Writes one wide line per request, without the standard library's loggers, which take longer than the rest of the
    edge.

    The lines of one turn of the event loop are written together when it ends.
    """

    def __init__(self, *, process: str, redaction: Redaction) -> None:
        self._process = process
        self._redaction = redaction
        self._level = logging.getLogger("access")
        self._lines: list[bytes] = []

    def __call__(
        self, *, request_id: str, trace_id: str, method: str, route: str, status: int, ms: float, tenant: str | None
    ) -> None:
        if not self._level.isEnabledFor(logging.INFO):
            return
        line = AccessLine(
            # The caller may have chosen the request id, and chosen badly.
            request_id=self._redaction.text(request_id),
            trace_id=trace_id,
            method=method,
            route=route,
            status=status,
            ms=ms,
            tenant=tenant,
            process=self._process,
        )
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(encode(line))

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        sys.stderr.write(b"\n".join((*lines, b"")).decode())
        sys.stderr.flush()
