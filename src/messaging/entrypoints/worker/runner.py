"""Runs wakeups as tasks of this process, up to a fixed number per queue."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from messaging.application.wakeups import Wakeup, decode, queue_name

log = logging.getLogger(__name__)


class WakeupRunner:
    """Runs wakeups as tasks of its own, so that nothing that happens to a wakeup can cancel the work behind it.

    `at_once` bounds the runs of each queue; a wakeup beyond that is dropped, as those running look for everything due.
    """

    def __init__(
        self, handle: Callable[[Wakeup, str], Coroutine[Any, Any, None]], *, at_once: Mapping[str, int]
    ) -> None:
        self._handle = handle
        self._at_once = at_once
        self._running: set[asyncio.Task[None]] = set()
        self._counts: Counter[str] = Counter()

    async def run_packed(self, payload: bytes) -> None:
        """Runs a wakeup from the queue to its end. A corrupt one is logged and dropped: no work is lost with it."""
        try:
            wakeup = decode(payload)
        except msgspec.DecodeError:
            log.warning("wakeup.corrupt", extra={"bytes": len(payload)})
            return
        task = self._start(wakeup)
        if task is not None:
            await asyncio.shield(task)

    def start(self, wakeups: Sequence[Wakeup]) -> None:
        """Starts what may start, and returns at once."""
        for wakeup in wakeups:
            self._start(wakeup)

    async def idle(self) -> None:
        """Returns when nothing is running any more."""
        while self._running:
            await asyncio.wait(self._running)

    def _start(self, wakeup: Wakeup) -> asyncio.Task[None] | None:
        queue = queue_name(wakeup)
        if self._counts[queue] >= self._at_once.get(queue, 0):
            return None
        task = asyncio.create_task(self._run(wakeup, queue))
        self._counts[queue] += 1
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _run(self, wakeup: Wakeup, queue: str) -> None:
        try:
            await self._handle(wakeup, queue)
        finally:
            self._counts[queue] -= 1
