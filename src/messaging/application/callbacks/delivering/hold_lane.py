"""Works on one claimed lane: posts its callbacks, settles each as it ends, and takes more for a few seconds.

So one slow answer does not idle what else the endpoint may have under way. After that the lane is let go, so that
others get a turn.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Final

from messaging.application.callbacks.delivering.capacity import Capacity
from messaging.application.callbacks.delivering.claim import LEASE, TakenLane
from messaging.application.callbacks.delivering.outgoing import Callback, Ended
from messaging.application.callbacks.settling.recent import RecentExchanges
from messaging.application.callbacks.settling.settle import Progress, Settled
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.callbacks.breaker import BreakerState
from messaging.domain.callbacks.verdict import Failed
from messaging.domain.shared.ids import TenantId

log = logging.getLogger(__name__)

# Seconds that a worker takes more callbacks of a lane.
_HELD_FOR: Final = 5.0
_AFTER_ERROR: Final = 0.5

Post = Callable[[TenantId, Callback], Coroutine[Any, Any, Ended]]
Settle = Callable[[Progress], Awaitable[Settled]]


class HoldLane:
    """`may_take` says whether this process still takes more work."""

    def __init__(
        self, *, post: Post, settle: Settle, recent: RecentExchanges, may_take: Callable[[], bool] = lambda: True
    ) -> None:
        self._post = post
        self._settle = settle
        self._recent = recent
        self._may_take = may_take

    async def __call__(self, taken: TakenLane, capacity: Capacity) -> None:
        """Returns when the lane is let go, or another worker's. The first callbacks are counted already."""
        await _Holding(self, taken, capacity).run()


class _Holding:
    def __init__(self, by: HoldLane, taken: TakenLane, capacity: Capacity) -> None:
        self._by = by
        self._lane = taken.lane
        self._capacity = capacity
        self._since = monotonic()
        self._started = 0
        self._lost = False
        self._not_before: datetime | None = None
        self._running: dict[asyncio.Task[Ended], Callback] = {}
        self._begin(taken.callbacks)

    async def run(self) -> None:
        while self._running:
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del self._running[task]
            results = [task.result() for task in done]
            try:
                settled = await self._written(self._progress(results))
            finally:
                self._capacity.give_back(self._tenant_id, len(done))
            self._lost, self._not_before = settled.lost, settled.not_before
            self._capacity.take(self._tenant_id, len(settled.callbacks))
            self._begin(settled.callbacks)

    @property
    def _tenant_id(self) -> TenantId:
        return self._lane.endpoint.tenant_id

    def _begin(self, callbacks: Sequence[Callback]) -> None:
        self._started += len(callbacks)
        for callback in callbacks:
            self._running[asyncio.create_task(self._by._post(self._tenant_id, callback))] = callback

    def _progress(self, results: Sequence[Ended]) -> Progress:
        judged = [(not isinstance(it.means, Failed), it.ms) for it in results if it.exchanged is not None]
        take = self._room()
        return Progress(
            lane=self._lane,
            results=results,
            busy=[callback.head.callback.event_id for callback in self._running.values()],
            take=take,
            lately=self._by._recent.add(self._lane.endpoint, judged),
            not_before=self._not_before,
            rate_wait=0.0 if take else self._rate_wait(),
        )

    def _room(self) -> int:
        """How many more callbacks may be taken: within the endpoint's limits, the tenant's share and this turn."""
        over = monotonic() - self._since > _HELD_FOR or self._lost or not self._by._may_take()
        if over or self._lane.health.breaker is BreakerState.OPEN:
            return 0
        room = min(self._lane.max_in_flight - len(self._running), self._capacity.free_for(self._tenant_id))
        if self._lane.rate is not None:
            earned = self._lane.rate * (1 + monotonic() - self._since)
            room = min(room, int(earned) - self._started)
        return max(room, 0)

    def _rate_wait(self) -> float:
        """Seconds until the rate of the endpoint allows one more."""
        if self._lane.rate is None:
            return 0.0
        return (self._started + 1) / self._lane.rate - 1 - (monotonic() - self._since)

    async def _written(self, progress: Progress) -> Settled:
        """Retried while the database is away; a lane whose lease is over by then may be posted to once more."""
        while True:
            try:
                return await self._by._settle(progress)
            except StoreUnavailable:
                log.warning("callbacks.store_unavailable", extra={"store": "postgres"})
                await asyncio.sleep(_AFTER_ERROR)
            except Exception:
                log.exception("callbacks.settle_failed")
                if monotonic() - self._since > 2 * LEASE.total_seconds():
                    return Settled(lost=True)
                await asyncio.sleep(_AFTER_ERROR)
