"""Claims due jobs of a lane, runs them side by side, and settles them together."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Final

from messaging.application import crashpoints
from messaging.application.gather import Gatherer
from messaging.application.jobs import JobLane
from messaging.application.outbox.registry import JobRegistry
from messaging.application.outbox.run_job import RunJob, ids
from messaging.application.ports.outbox import Claim, ClaimedJob, JobEnd, Settled, Wanted
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenJobsUnitOfWork, StoreUnavailable
from messaging.domain.shared.ids import TenantId

log = logging.getLogger(__name__)

# Jobs that one process runs at once in each lane.
AT_ONCE: Final[Mapping[JobLane, int]] = {JobLane.PROMPT: 64, JobLane.BULK: 8}
# Of those, how many may be one tenant's: the others are for whoever comes next.
_SHARE: Final = 0.75
# A lease lasts for the run, and so much longer for settling it.
_LEASE_MARGIN: Final = timedelta(seconds=30)
# Seconds between two looks for jobs that may end their worker, between two tries to settle, and from the end of a job
# in a full lane to the next claim.
_SUSPECTS_EVERY: Final = 5.0
_SETTLE_AGAIN: Final = 0.5
_GATHERING: Final = 0.005


class RunDueJobs:
    """One object per process, for all lanes: a suspect job runs while nothing else does."""

    def __init__(
        self, *, open_uow: OpenJobsUnitOfWork, registry: JobRegistry, run: RunJob, telemetry: Telemetry
    ) -> None:
        self._open_uow = open_uow
        self._run = run
        self._telemetry = telemetry
        self._leases = {
            lane: {it.kind: it.timeout + _LEASE_MARGIN for it in registry.kinds_of(lane)} for lane in JobLane
        }
        self._longest = max(it.timeout for lane in JobLane for it in registry.kinds_of(lane))
        self._settle = Gatherer(self._write, writers=1)
        self._running: dict[asyncio.Task[None], tuple[JobLane, TenantId]] = {}
        self._behind: dict[JobLane, TenantId] = {}
        self._suspects_at: dict[JobLane, float] = {}
        # Held while jobs are being claimed, and for as long as a suspect runs.
        self._claiming = asyncio.Lock()
        self._stopping = False

    async def __call__(self, lane: JobLane) -> int:
        """Claims what is due and starts it; waits while the lane is full. How many rows it dealt with: 0, and nothing
        is due for now. Raises StoreUnavailable.
        """
        await self._has_room(lane)
        async with self._claiming:
            if self._stopping:
                return 0
            room = self._room(lane)
            claim = await self._claim(lane, room)
            for job in claim.jobs:
                self._start(lane, job)
            if len(claim.jobs) < room and (suspect := await self._suspect(lane)) is not None:
                await self._alone(lane, suspect)
                return 1
        return len(claim.jobs) + claim.followers

    async def idle(self) -> None:
        """Return when nothing is running."""
        while self._running:
            await asyncio.wait(self._running)

    async def drain(self, *, within: float) -> None:
        """Claim nothing more; after `within` seconds, give back what has not ended."""
        self._stopping = True
        if self._running:
            await asyncio.wait(self._running, timeout=within)
        await self._give_back()
        # A claim that was under way has started its jobs by the time the lock is free.
        async with self._claiming:
            await self._give_back()

    async def _give_back(self) -> None:
        while running := list(self._running):
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    async def _has_room(self, lane: JobLane) -> None:
        while self._room(lane) < 1:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            # Others that end at nearly the same time make the next claim a larger one.
            await asyncio.sleep(_GATHERING)

    def _room(self, lane: JobLane) -> int:
        return AT_ONCE[lane] - sum(of is lane for of, _ in self._running.values())

    async def _claim(self, lane: JobLane, room: int) -> Claim:
        running = Counter(tenant for of, tenant in self._running.values() if of is lane)
        most = int(AT_ONCE[lane] * _SHARE)
        busy = [tenant for tenant, count in running.items() if count >= most]
        wanted = Wanted(
            lane=lane,
            leases=self._leases[lane],
            limit=room,
            most_each=most - max((count for count in running.values() if count < most), default=0),
            behind=self._behind.get(lane),
            busy=busy,
        )
        async with self._open_uow() as uow:
            claim = await uow.due_jobs.claim(wanted)
            crashpoints.reach("job_claim.before_commit")
            await uow.commit()
        crashpoints.reach("job_claim.after_commit")
        if claim.jobs:
            self._behind[lane] = claim.jobs[-1].tenant_id
        return claim

    async def _suspect(self, lane: JobLane) -> ClaimedJob | None:
        if monotonic() < self._suspects_at.get(lane, 0.0):
            return None
        self._suspects_at[lane] = monotonic() + _SUSPECTS_EVERY
        # It waits for all that is running before its own time begins.
        leases = {kind: lease + self._longest for kind, lease in self._leases[lane].items()}
        async with self._open_uow() as uow:
            claim = await uow.due_jobs.claim_suspect(lane, leases)
            await uow.commit()
        return next(iter(claim.jobs), None)

    async def _alone(self, lane: JobLane, suspect: ClaimedJob) -> None:
        log.warning("job.runs_alone", extra=ids(suspect) | {"unfinished": suspect.unfinished})
        await self.idle()
        self._start(lane, suspect)
        await self.idle()

    def _start(self, lane: JobLane, job: ClaimedJob) -> None:
        task = asyncio.create_task(self._run_and_settle(job))
        self._running[task] = (lane, job.tenant_id)
        task.add_done_callback(self._running.pop)

    async def _run_and_settle(self, job: ClaimedJob) -> None:
        settled = Settled(claimed=job, end=JobEnd.WAIT)
        if not self._stopping:
            try:
                settled = await self._run(job)
            except asyncio.CancelledError:
                log.info("job.given_back", extra=ids(job))
        await self._settle_while_held(settled)

    async def _settle_while_held(self, settled: Settled) -> None:
        claimed = settled.claimed
        until = monotonic() + self._leases_of(claimed).total_seconds()
        while True:
            try:
                held = await self._settle(settled)
            except StoreUnavailable:
                if monotonic() > until or self._stopping:
                    log.warning("job.not_settled", extra=ids(claimed) | {"store": "postgres"})
                    return
                await asyncio.sleep(_SETTLE_AGAIN)
            else:
                self._tell(settled, held=held)
                return

    def _leases_of(self, claimed: ClaimedJob) -> timedelta:
        return next(leases[claimed.kind] for leases in self._leases.values() if claimed.kind in leases)

    async def _write(self, ends: Sequence[Settled]) -> Sequence[bool]:
        async with self._open_uow() as uow:
            held = await uow.due_jobs.settle(ends)
            crashpoints.reach("job_settle.before_commit")
            # A crash of the database may undo it; then the jobs run once more.
            await uow.commit(durable=False)
        crashpoints.reach("job_settle.after_commit")
        return [settled.claimed.id in held for settled in ends]

    def _tell(self, settled: Settled, *, held: bool) -> None:
        claimed, end = settled.claimed, settled.end
        self._telemetry.count("jobs_run", kind=claimed.kind, end=end.value)
        facts = ids(claimed) | {"end": end.value, "attempts": str(claimed.attempts)}
        if end is JobEnd.DEAD:
            log.error("job.dead", extra=facts | {"code": settled.code or ""})
        elif end is JobEnd.RETRY:
            log.info("job.failed_once", extra=facts | {"code": settled.code or ""})
        if not held and end is not JobEnd.DONE:
            log.warning("job.lease_lost", extra=facts)
