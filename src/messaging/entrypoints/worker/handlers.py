"""Calls the use case of each kind of job, again and again while one wakeup's time budget lasts."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from time import monotonic
from typing import Protocol, assert_never
from uuid import UUID

from messaging.application.jobs import JobLane
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, RunJobs, Upkeep, Wakeup, queue_name

log = logging.getLogger(__name__)

# A wakeup is worked on while there is something to do, but not for so long that a queue's slots belong to few.
_BUDGET = 10.0
_LONGEST_PAUSE = 5.0
# Webhooks come one by one, and a transaction for twenty costs little more than one for two: after a small batch the
# next ones are given this long to gather. A backlog is worked off without pause.
_GATHERING = 0.02
_FEW_WEBHOOKS = 50
_SHORT_WAIT = 0.5

Batch = Callable[[], Awaitable[int]]


class Deliver(Protocol):
    async def __call__(self, lane: DeliverLane, /) -> int: ...

    async def drain(self) -> None: ...


class Throttling(Protocol):
    """What the send gate knows about who may not send now; see `SendGate`."""

    @property
    def throttled(self) -> Callable[[], Collection[tuple[DeliverLane, UUID]]]: ...

    @property
    def throttled_for(self) -> Callable[[DeliverLane], float]: ...


class JobsOfLanes(Protocol):
    async def __call__(self, lane: JobLane, /) -> int: ...

    async def drain(self, *, within: float) -> None: ...


class Handlers:
    """Each use case deals with one batch per call and says how much that was; 0 means nothing is left for now.

    An error ends the run, never the worker: the work is still due in Postgres and comes back with the next wakeup.
    """

    def __init__(
        self,
        *,
        deliver: Deliver,
        throttling: Throttling,
        resolve_unknown: Batch,
        poll_status: Batch,
        process_webhooks: Batch,
        rematch: Batch,
        run_jobs: JobsOfLanes,
        telemetry: Telemetry,
        stopping: asyncio.Event,
    ) -> None:
        self._deliver = deliver
        self._throttling = throttling
        self._resolve_unknown = resolve_unknown
        self._poll_status = poll_status
        self._process_webhooks = process_webhooks
        self._rematch = rematch
        self._run_jobs = run_jobs
        self._telemetry = telemetry
        self._stopping = stopping
        self._failures: Counter[str] = Counter()
        self._napping: set[DeliverLane] = set()

    async def __call__(self, job: Wakeup) -> None:
        queue = queue_name(job)
        try:
            await self._work(job)
        except StoreUnavailable:
            log.warning("job.store_unavailable", extra={"job": queue, "store": "postgres"})
            await self._failed(queue)
        except Exception:
            log.exception("job.failed", extra={"job": queue})
            await self._failed(queue)
        else:
            del self._failures[queue]

    async def _work(self, job: Wakeup) -> None:
        match job:
            case DeliverLane():
                await self._repeat(lambda: self._deliver_lane(job))
            case ProcessWebhooks():
                await self._repeat(self._process_some_webhooks)
                await self._repeat(self._rematch)
            case Upkeep():
                await self._repeat(self._resolve_unknown)
                await self._repeat(self._poll_status)
            case RunJobs(lane=lane):
                await self._repeat(lambda: self._run_jobs(lane))
            case _:
                assert_never(job)

    async def _process_some_webhooks(self) -> int:
        done = await self._process_webhooks()
        if 0 < done < _FEW_WEBHOOKS:
            await pause(self._stopping, _GATHERING)
        return done

    async def _deliver_lane(self, lane: DeliverLane) -> int:
        """One run of a lane waits for tokens that come soon: for those the relay's look and wakeup would be late."""
        taken = await self._deliver(lane)
        wait = self._throttling.throttled_for(lane)
        if taken or wait > _SHORT_WAIT or lane in self._napping:
            return taken
        self._napping.add(lane)
        await pause(self._stopping, wait)
        self._napping.discard(lane)
        return 1

    async def _repeat(self, batch: Batch) -> None:
        until = monotonic() + _BUDGET
        while not self._stopping.is_set() and await batch() and monotonic() < until:
            pass

    async def _failed(self, queue: str) -> None:
        """Hold the queue's slot for a while: the relay wakeups at once again what is still due."""
        self._telemetry.count("jobs_failed", job=queue)
        self._failures[queue] += 1
        await pause(self._stopping, min(_LONGEST_PAUSE, 0.1 * 2 ** min(self._failures[queue], 8)))


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Sleep, unless and until it is time to stop."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
