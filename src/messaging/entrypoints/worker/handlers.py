"""Runs wakeups as tasks, up to a fixed number per queue, and does the duty of each while its time budget lasts."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, assert_never

import msgspec

from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, RunJobs, Upkeep, Wakeup, decode, queue_name
from messaging.entrypoints.worker.duties import Batch, Duties

log = logging.getLogger(__name__)

# Seconds: a wakeup is worked on while there is something to do, but not for so long that a queue's slots belong to few.
_BUDGET = 10.0
_LONGEST_PAUSE = 5.0
# Webhooks come one by one, and a transaction for twenty costs little more than one for two: after a small batch the
# next ones are given this long to gather. A backlog is worked off without pause.
_GATHERING = 0.02
_FEW_WEBHOOKS = 50
_SHORT_WAIT = 0.5


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


class Handlers:
    """Runs the duty that a wakeup is about, batch after batch.

    An error ends the run, never the worker: the work is still due in Postgres and comes back with the next wakeup.
    """

    def __init__(self, duties: Duties, *, telemetry: Telemetry, stopping: asyncio.Event) -> None:
        self._duties = duties
        self._telemetry = telemetry
        self._stopping = stopping
        self._failures: Counter[str] = Counter()
        self._napping: set[DeliverLane] = set()

    async def __call__(self, wakeup: Wakeup, queue: str) -> None:
        """Repeat the batches of the wakeup's kind, one kind after the other, each while something is left and the time
        budget lasts.
        """
        try:
            for batch in self._batches(wakeup):
                until = monotonic() + _BUDGET
                while not self._stopping.is_set() and await batch() and monotonic() < until:
                    pass
        except StoreUnavailable:
            log.warning("wakeup.store_unavailable", extra={"queue": queue, "store": "postgres"})
            await self._failed(queue)
        except Exception:
            log.exception("wakeup.failed", extra={"queue": queue})
            await self._failed(queue)
        else:
            del self._failures[queue]

    def _batches(self, wakeup: Wakeup) -> tuple[Batch, ...]:
        match wakeup:
            case DeliverLane():
                return (partial(self._deliver_lane, wakeup),)
            case ProcessWebhooks():
                return self._process_some_webhooks, self._duties.rematch
            case Upkeep():
                return self._duties.upkeep
            case RunJobs(lane=lane):
                return (partial(self._duties.run_jobs, lane),)
            case _:
                assert_never(wakeup)

    async def _process_some_webhooks(self) -> int:
        done = await self._duties.process_webhooks()
        if 0 < done < _FEW_WEBHOOKS:
            await pause(self._stopping, _GATHERING)
        return done

    async def _deliver_lane(self, lane: DeliverLane) -> int:
        """Claims once. One run of a lane waits for tokens that come soon: the relay's wakeup would be too late."""
        taken = await self._duties.deliver(lane)
        wait = self._duties.throttling.throttled_for(lane)
        if taken or wait > _SHORT_WAIT or lane in self._napping:
            return taken
        self._napping.add(lane)
        await pause(self._stopping, wait)
        self._napping.discard(lane)
        return 1

    async def _failed(self, queue: str) -> None:
        """Holds the queue's slot for a while: the relay wakes at once again what is still due."""
        self._telemetry.count("wakeups_failed", queue=queue)
        self._failures[queue] += 1
        await pause(self._stopping, min(_LONGEST_PAUSE, 0.1 * 2 ** min(self._failures[queue], 8)))


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Sleeps, unless and until it is time to stop."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
