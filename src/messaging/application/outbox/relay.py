"""Turns due dispatches and jobs in Postgres into wakeups on the queue, one for each lane that has work.

Every pass asks Postgres and remembers nothing of earlier passes: a lost wakeup, a flushed Redis or a crash between
two passes delays work by one pass.
"""

from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from messaging.application import crashpoints
from messaging.application.jobs import JobLane
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.application.ports.wakeups import QueueUnavailable, WakeupQueue
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, RunJobs, Upkeep, Wakeup
from messaging.domain.messages.message_state import DispatchKind


class RelayDueWork:
    """Wakes whoever takes the lanes that have due work. `lanes` are those that this process's workers serve; `webhooks`
    says whether stored webhooks are theirs too.

    Upkeep and jobs are served by every worker. `fallback` starts the work in this process without waiting for them,
    while the queue is unavailable. `throttled` lists the lanes and ids that have no tokens for now.
    """

    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        queue: WakeupQueue,
        lanes: Collection[DeliverLane],
        webhooks: bool,
        fallback: Callable[[Sequence[Wakeup]], None],
        throttled: Callable[[], Collection[tuple[DeliverLane, UUID]]],
        telemetry: Telemetry,
    ) -> None:
        self._open_uow = open_uow
        self._queue = queue
        self._lanes = frozenset(lanes)
        self._fallback = fallback
        self._throttled = throttled
        self._telemetry = telemetry
        self._kinds = [DispatchKind.RESOLVE_UNKNOWN, DispatchKind.POLL_STATUS]
        if lanes:
            self._kinds.append(DispatchKind.DELIVER)
        if webhooks:
            self._kinds += [DispatchKind.PROCESS_WEBHOOK, DispatchKind.REMATCH]

    async def __call__(self) -> int:
        """The number of wakeups, all of them published or started. Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            found = await uow.dispatches.lanes_with_work(self._kinds, throttled=self._throttled())
            job_lanes = await uow.due_jobs.lanes_due(tuple(JobLane))
        wakeups = [*self._wakeups(found), *map(RunJobs, sorted(job_lanes))]
        if not wakeups:
            return 0
        crashpoints.reach("relay.before_wakeup")
        try:
            await self._queue.wakeup(wakeups)
        except QueueUnavailable:
            self._telemetry.count("relay_fallbacks")
            self._fallback(wakeups)
        crashpoints.reach("relay.after_wakeup")
        return len(wakeups)

    def _wakeups(self, found: Sequence[DispatchKind | DeliverLane]) -> list[Wakeup]:
        """Each wakeup once, because two kinds of dispatch may need the same one."""
        return list(dict.fromkeys(wakeup for item in found if (wakeup := self._wakeup(item)) is not None))

    def _wakeup(self, found: DispatchKind | DeliverLane) -> Wakeup | None:
        match found:
            case DeliverLane():
                return found if found in self._lanes else None
            case DispatchKind.PROCESS_WEBHOOK | DispatchKind.REMATCH:
                return ProcessWebhooks()
            case DispatchKind.RESOLVE_UNKNOWN | DispatchKind.POLL_STATUS:
                return Upkeep()
            case DispatchKind.DELIVER:
                # Deliveries are reported by their lane; the kind alone names no lane.
                return None
