"""Does the duty of each kind of wakeup, again and again while one wakeup's time budget lasts."""

import asyncio
import logging
from collections import Counter
from functools import partial
from time import monotonic
from typing import assert_never

from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, RunJobs, Upkeep, Wakeup
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
