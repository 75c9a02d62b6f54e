"""Hands spans from the event loop to a thread, which sends them to the collector in batches.

The event loop never waits for the collector and never fails by it. The queue is bounded, and what does not fit is
dropped and counted: so is also the work that callers can cause by choosing trace ids that are sampled.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from messaging.application.ports.telemetry import Telemetry
from messaging.domain.tracing.spans import Span, sampling_bound

log = logging.getLogger(__name__)

# Spans that wait for the thread. Together with the pause it bounds what tracing can cost: 400 spans a second are about
# 4 % of a core.
_CAPACITY: Final = 2_048
_BATCH: Final = 512
# Seconds between two batches, unless one is full.
_PAUSE: Final = 5.0
# Seconds that the last spans of a process may take on their way out.
FLUSH_SECONDS: Final = 2.0


class Sending(StrEnum):
    """What became of a batch. One that can be tried again waits in the queue like new spans."""

    TAKEN = "taken"
    TRY_AGAIN = "try_again"
    REFUSED = "refused"


# Sends one batch. It may block: it runs in the thread.
SendSpans = Callable[[Sequence[Span]], Sending]


class SpanExport:
    """The queue and its thread, which starts with the first span. `sample` is the part of traces that is sampled."""

    def __init__(self, send: SendSpans, *, sample: float, capacity: int = _CAPACITY, pause: float = _PAUSE) -> None:
        self.sampled_below = sampling_bound(sample)
        self._send = send
        self._capacity = capacity
        self._pause = pause
        self._telemetry: Telemetry | None = None
        self._waiting: deque[Span] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def report_to(self, telemetry: Telemetry) -> None:
        """Count here what is exported and dropped; it is called by any thread."""
        self._telemetry = telemetry

    def put(self, spans: Sequence[Span]) -> None:
        """Queue spans, or drop those that do not fit."""
        room = self._capacity - len(self._waiting)
        if len(spans) > room:
            self._drop(len(spans) - max(room, 0), reason="full")
            spans = spans[: max(room, 0)]
        self._waiting.extend(spans)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="span-export", daemon=True)
            self._thread.start()
        if len(self._waiting) >= _BATCH:
            self._wake.set()

    def close(self, *, within: float = FLUSH_SECONDS) -> None:
        """Send what waits, for so many seconds at most; the process ends without the rest."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(within)
            if self._thread.is_alive():
                log.warning("spans.not_flushed", extra={"waiting": len(self._waiting)})

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._pause)
            self._wake.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        """Send all that waits now, a batch after the other, until the collector is found away."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            match self._sent(batch):
                case Sending.TAKEN:
                    if self._telemetry is not None:
                        self._telemetry.count("spans_exported", len(batch))
                case Sending.REFUSED:
                    self._drop(len(batch), reason="refused")
                case Sending.TRY_AGAIN:
                    self._waiting.extendleft(reversed(batch))
                    return

    def _sent(self, batch: Sequence[Span]) -> Sending:
        try:
            result = self._send(batch)
        except Exception:  # whatever a defect raises, the thread goes on
            log.exception("spans.not_exported", extra={"spans": len(batch)})
            return Sending.REFUSED
        if result is not Sending.TAKEN:
            log.warning("spans.not_exported", extra={"spans": len(batch), "result": result.value})
        return result

    def _drop(self, spans: int, *, reason: str) -> None:
        if self._telemetry is not None:
            self._telemetry.count("spans_dropped", spans, reason=reason)
