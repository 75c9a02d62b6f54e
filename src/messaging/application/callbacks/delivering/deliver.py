"""Delivers callbacks: claims lanes that are due and works on each, beside all others.

Endpoints whose breaker is open or whose answers are slow are served from a pool of their own.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from messaging.application.callbacks.delivering.capacity import FAST, SLOW, Capacity
from messaging.application.callbacks.delivering.claim import ClaimCallbacks, TakenLane
from messaging.application.callbacks.delivering.hold_lane import HoldLane, Post
from messaging.application.callbacks.settling.recent import RecentExchanges
from messaging.application.callbacks.settling.settle import Progress, Settled, SettleLanes
from messaging.application.gather import Gatherer

log = logging.getLogger(__name__)

# Two batches are written at once: while one commits, the next collects what has ended meanwhile.
_WRITERS: Final = 2
_LARGEST_BATCH: Final = 100


class DeliverCallbacks:
    """A call takes up what is due in one pool; the exchanges go on after it returns (see `drain`)."""

    def __init__(self, *, claim: ClaimCallbacks, post: Post, settle: SettleLanes) -> None:
        self._claim = claim
        self._capacity: Mapping[bool, Capacity] = {False: Capacity(FAST), True: Capacity(SLOW)}
        self._draining = False
        gatherer: Gatherer[Progress, Settled] = Gatherer(settle.write, max_batch=_LARGEST_BATCH, writers=_WRITERS)
        self._hold = HoldLane(post=post, settle=gatherer, recent=RecentExchanges(), may_take=lambda: not self._draining)
        self._holding: set[asyncio.Task[None]] = set()

    async def __call__(self, *, slow: bool) -> int:
        """How many lanes were looked at; 0 when none is due, or there is no place. Raises StoreUnavailable."""
        if self._draining:
            return 0
        capacity = self._capacity[slow]
        looked_at, taken = await self._claim(capacity, slow=slow)
        for lane in taken:
            capacity.take(lane.lane.endpoint.tenant_id, len(lane.callbacks))
            self._begin(lane, capacity)
        return looked_at

    @property
    def under_way(self) -> int:
        """Lanes in the hands of this process."""
        return len(self._holding)

    async def drain(self) -> None:
        """Take nothing more, and wait until what is under way has ended and is written."""
        self._draining = True
        while self._holding:
            await asyncio.wait(self._holding)

    def _begin(self, taken: TakenLane, capacity: Capacity) -> None:
        task = asyncio.create_task(self._hold(taken, capacity))
        self._holding.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._holding.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("callbacks.lane_broke", exc_info=error)
