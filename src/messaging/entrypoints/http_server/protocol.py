"""HTTP/1.1 by uvicorn with bounds: on the head's size, on the time a request takes to arrive, on what waits behind it.

httptools, which reads the bytes, has no bounds of its own: it hands over header after header, and glues a value that
comes in parts together for as long as parts come. Where a phase of a request (its head, its body) spans several reads,
the bytes of all reads wholly inside the phase are counted; what lies within one read is bounded by `_READ`.
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.http_server.crowd import Crowd
from messaging.entrypoints.http_server.refusals import (
    BAD_REQUEST,
    HEAD_TOO_LARGE,
    HEADER_REPEATED,
    REQUEST_TIMEOUT,
    URL_TOO_LONG,
    Refusal,
    answer_to,
)
from messaging.entrypoints.sockets.joined_writes import JoinedWrites

# Bytes that the parser is fed at once, at most; a head of usual size is within one such read.
_READ: Final = 16_384
# A head that arrives in one read of so few bytes cannot be too large: the least value of the setting is twice that.
_SMALL: Final = 4_096
# Bytes of framing (chunk sizes, their extensions, trailers) that each byte of the body may bring along.
_FRAMING: Final = 16

# Headers that a proxy before us reads too; two different values would be read differently by the two.
_SINGLE: Final = frozenset(
    {
        *(b"host", b"authorization", b"content-type", b"content-length", b"content-encoding", b"transfer-encoding"),
        *(b"idempotency-key", b"expect", b"x-request-id", b"traceparent", b"x-hub-signature", b"x-hub-signature-256"),
    }
)


# The part of a request that the connection is reading: plain numbers, as they are compared several times per request.
_IDLE, _HEAD, _BODY = range(3)


Headers = list[tuple[bytes, bytes]]


class _Refused(Exception):
    """Stops the parser; the connection remembers which refusal it is."""


class BoundedHttp(JoinedWrites):
    """One connection. `since` is when its present phase began, by the event loop's clock (seconds)."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        bounds: HttpBounds,
        crowd: Crowd,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.since = self.loop.time()
        # True once the connection is kept only so that its other end can read what it was told.
        self.over_since: float | None = None
        # When a sweep first found the connection unable to write.
        self.stuck_since: float | None = None
        self._bounds = bounds
        self._crowd = crowd
        self._listens = True
        # Whether the connection has asked for anything since the last sweep.
        self._busy = False
        self._phase = _IDLE
        # Whether the phase changed within the present read.
        self._moved = False
        # Bytes read, and bytes of the body among them, since the first read that was wholly inside the phase.
        self._fed = 0
        self._body = 0
        self._reading = 0
        self._head_split = False
        self._refusal: Refusal | None = None

    @property
    def answering(self) -> bool:
        """Whether a request of this connection is being worked on."""
        return self.asked and not self.cycle.response_complete

    @property
    def asked(self) -> bool:
        """Whether it ever sent a whole request head; until then uvicorn has no cycle for it."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._crowd.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.left(self)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    # --- reading --------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if len(data) <= _READ and self._listens:
            self._feed(data)
            return
        view = memoryview(data)
        for at in range(0, len(view), _READ):
            if not self._listens:
                self._throw_away(len(view) - at)
                return
            self._feed(view[at : at + _READ])

    def _feed(self, data: bytes | memoryview) -> None:
        self._unset_keepalive_if_required()
        self._moved, self._reading = False, len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # An upgrade is not offered: the request is answered as if it had not asked for one.
            pass
        except httptools.HttpParserError:
            self._refuse(self._refusal or BAD_REQUEST)
            return
        if self._moved and self._phase == _IDLE:
            # Nearly every read is a whole request. The next sweep need not know when exactly it came.
            self._fed = 0
            self._busy = True
        else:
            self._in_the_middle()

    def _in_the_middle(self) -> None:
        """Handles a request of which only a part has come."""
        if self._moved:
            self.since = self.loop.time()
            self._fed = self._body = 0
            self._head_split = self._phase == _HEAD
        else:
            self._fed += self._reading
        if self._phase == _BODY:
            self._look_at_body()
        elif self._fed > self._bounds.head_bytes or len(self.headers or ()) > self._bounds.header_lines:
            in_address = self._phase == _HEAD and not self.headers
            self._refuse(URL_TOO_LONG if in_address else HEAD_TOO_LARGE)

    def _look_at_body(self) -> None:
        if self.cycle.response_complete and self._fed > self._bounds.linger_bytes:
            # The request was answered without its body being read; nobody needs what still comes of it.
            self.transport.close()
            return
        framing = self._fed - self._body > self._bounds.head_bytes + _FRAMING * self._body
        if framing or len(self.headers) > self._bounds.header_lines:
            self._refuse(HEAD_TOO_LARGE)

    # --- what the parser finds ------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._moved = True
        self._phase = _HEAD

    def on_headers_complete(self) -> None:
        headers = self.headers
        self._require_size(headers)
        if len({name for name, _ in headers}) < len(headers):
            self._require_single(headers)
        if len(self.pipeline) >= self._bounds.pipelined:
            self._stop(BAD_REQUEST)
        super().on_headers_complete()
        # From here on the parser finds trailers. The application has its headers, and they stay as they are.
        self.headers = []
        self._moved = True
        self._phase = _BODY

    def on_body(self, body: bytes) -> None:
        """As uvicorn's, which asks the parser each time whether the connection becomes a WebSocket."""
        cycle = self.cycle
        if cycle.response_complete:
            return
        self._body += len(body)
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """As uvicorn's, likewise."""
        self._moved = True
        self._phase = _IDLE
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def _require_size(self, headers: Headers) -> None:
        bounds = self._bounds
        if len(self.url) > bounds.url_bytes:
            self._stop(URL_TOO_LONG)
        if len(headers) > bounds.header_lines:
            self._stop(HEAD_TOO_LARGE)
        if (self._head_split or self._reading > _SMALL) and self._head_size() > bounds.head_bytes:
            self._stop(HEAD_TOO_LARGE)

    def _require_single(self, headers: Headers) -> None:
        names = [name for name, _ in headers]
        if any(names.count(name) > 1 for name in _SINGLE):
            self._stop(HEADER_REPEATED)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _stop(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise _Refused

    # --- ending ---------------------------------------------------------------------------------------------------

    def look_at_clock(self, now: float) -> None:
        """Called about every second: ends the connection if its phase has taken too long."""
        if self.over_since is not None:
            if now - self.over_since > self._bounds.linger_seconds:
                self.transport.abort()
        elif self.transport.is_closing() or self.flow.write_paused:
            self._look_at_reader(now)
        else:
            self.stuck_since = None
            self._look_at_sender(now)

    def _look_at_reader(self, now: float) -> None:
        """Ends the connection if its other end does not read what it asked for."""
        self.stuck_since = self.stuck_since or now
        if now - self.stuck_since > self._bounds.answer_seconds:
            self.transport.abort()

    def _look_at_sender(self, now: float) -> None:
        waited = now - self.since
        if self._phase == _BODY:
            if self.flow.read_paused:
                # The request waits for us, not for its sender.
                self.since = now
            elif waited > self._bounds.body_seconds:
                self._refuse(REQUEST_TIMEOUT)
        elif self._busy or self.answering:
            self._busy = False
            self.since = now
        elif waited > self._bounds.head_seconds and self.timeout_keep_alive_task is None:
            if self._phase == _HEAD:
                self._refuse(REQUEST_TIMEOUT)
            else:
                # The connection never asked anything, or sends line ends where a request should begin.
                self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BAD_REQUEST)

    def _refuse(self, refusal: Refusal) -> None:
        """Answers with a refusal, if no other answer is under way, and ends the connection."""
        self._crowd.refused(refusal)
        if self._phase == _BODY:
            self._refuse_in_body(refusal)
        elif self.answering:
            # The request before it is still answered; what comes now is dropped.
            self._listens = False
            self.cycle.keep_alive = False
        else:
            self.end_with(refusal)

    def _refuse_in_body(self, refusal: Refusal) -> None:
        if not self.answering or self.cycle.response_started or self.pipeline:
            self.transport.close()
            return
        # Whoever works on the request learns that the rest will not come; the answer reaches nobody.
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self.end_with(refusal)

    def end_with(self, refusal: Refusal) -> None:
        """Sends the refusal, and closes once the other end has had time to read it: after an immediate close it might
        be lost.
        """
        self._listens = False
        self.over_since = self.loop.time()
        self._fed = 0
        self._unset_keepalive_if_required()
        self.transport.write(answer_to(refusal))
        self.transport.write_eof()
        self.flow.resume_reading()

    def _throw_away(self, size: int) -> None:
        self._fed += size
        if self._fed > self._bounds.linger_bytes:
            self.transport.abort()
