"""The outbox in memory: jobs in a dictionary, with transactions that copy it, and a clock that is moved by hand."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from uuid_utils.compat import uuid7

from messaging.application.jobs import JobLane, encode, kind_of
from messaging.application.ports.outbox import Claim, ClaimedJob, JobEnd, NewJob, Settled, Wanted
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.jobs.retry import ALONE_AFTER
from messaging.domain.shared.ids import JobId, TenantId
from messaging.domain.shared.mode import Mode
from tests.builders import NOON


@dataclass
class Row:
    """A job; the fields are those of the table."""

    id: JobId
    tenant_id: TenantId
    mode: Mode
    kind: str
    lane: JobLane
    payload: str
    order_key: str | None
    unique_key: str | None
    due_at: datetime
    wanted_at: datetime
    seq: int
    status: str = "waiting"
    again_at: datetime | None = None
    died_at: datetime | None = None
    epoch: int = 0
    attempts: int = 0
    unfinished: int = 0
    error_code: str | None = None
    error_reason: str | None = None

    def claim(self, now: datetime, lease: timedelta) -> ClaimedJob:
        claimed = ClaimedJob(
            id=self.id,
            tenant_id=self.tenant_id,
            mode=self.mode,
            kind=self.kind,
            payload=self.payload,
            epoch=self.epoch + 1,
            attempts=self.attempts,
            unfinished=self.unfinished,
            wanted_at=self.wanted_at,
            claimed_at=now,
            order_key=self.order_key,
        )
        self.status, self.due_at = "claimed", now + lease
        self.epoch, self.unfinished = self.epoch + 1, self.unfinished + 1
        return claimed


@dataclass
class InMemoryJobs:
    """The committed jobs. While `away`, nobody reaches them."""

    rows: dict[JobId, Row] = field(default_factory=dict)
    now: datetime = NOON
    away: bool = False
    numbers: "count[int]" = field(default_factory=count)

    @asynccontextmanager
    async def open_uow(self) -> AsyncIterator["InMemoryJobsUnitOfWork"]:
        if self.away:
            raise StoreUnavailable
        yield InMemoryJobsUnitOfWork(self)


class InMemoryJobsUnitOfWork:
    def __init__(self, jobs: InMemoryJobs) -> None:
        self._jobs = jobs
        self.rows = deepcopy(jobs.rows)
        self.outbox = InMemoryOutbox(jobs, self.rows)
        self.due_jobs = InMemoryDueJobs(jobs, self.rows)
        self.now = jobs.now

    async def commit(self, *, durable: bool = True) -> None:
        if self._jobs.away:
            raise StoreUnavailable
        self._jobs.rows = self.rows


class InMemoryOutbox:
    def __init__(self, jobs: InMemoryJobs, rows: dict[JobId, Row]) -> None:
        self._jobs, self._rows = jobs, rows

    async def enqueue(self, jobs: Sequence[NewJob]) -> None:
        for new in jobs:
            due_at = new.due_at or self._jobs.now + new.due_after
            known = self._known(new)
            if known is None:
                self._add(new, due_at)
            elif new.hasten:
                _ask_again(known, due_at)

    async def complete(self, claimed: ClaimedJob) -> bool:
        return bool(_settle(self._jobs, self._rows, [Settled(claimed=claimed, end=JobEnd.DONE)]))

    def _known(self, new: NewJob) -> Row | None:
        key = (new.tenant_id, new.mode, kind_of(new.job), new.unique_key)
        live = [row for row in self._rows.values() if row.status != "dead" and row.unique_key is not None]
        return next((row for row in live if (row.tenant_id, row.mode, row.kind, row.unique_key) == key), None)

    def _add(self, new: NewJob, due_at: datetime) -> None:
        row = Row(
            id=JobId(uuid7()),
            tenant_id=new.tenant_id,
            mode=new.mode,
            kind=kind_of(new.job),
            lane=new.job.lane,
            payload=encode(new.job),
            order_key=new.order_key,
            unique_key=new.unique_key,
            due_at=due_at,
            wanted_at=due_at,
            seq=next(self._jobs.numbers),
        )
        self._rows[row.id] = row


class InMemoryDueJobs:
    def __init__(self, jobs: InMemoryJobs, rows: dict[JobId, Row]) -> None:
        self._jobs, self._rows = jobs, rows

    async def lanes_due(self, lanes: Collection[JobLane]) -> AbstractSet[JobLane]:
        return {row.lane for row in self._due() if row.lane in lanes}

    async def claim(self, wanted: Wanted) -> Claim:
        due = [
            row
            for row in self._due()
            if row.lane is wanted.lane
            and row.kind in wanted.leases
            and row.tenant_id not in wanted.busy
            and row.unfinished < ALONE_AFTER
        ]
        tenants = sorted({row.tenant_id for row in due}, key=lambda id: (_is_passed(id, wanted.behind), id))
        tenants = tenants[: wanted.limit]
        share = min(-(-wanted.limit // max(1, len(tenants))), wanted.most_each)
        picked = [row for tenant in tenants for row in [row for row in due if row.tenant_id == tenant][:share]]
        return self._claim(picked[: wanted.limit], wanted.leases)

    async def claim_suspect(self, lane: JobLane, leases: Mapping[str, timedelta]) -> Claim:
        suspects = [row for row in self._due() if row.lane is lane and row.unfinished >= ALONE_AFTER]
        return self._claim([row for row in suspects if row.kind in leases][:1], leases)

    async def settle(self, ends: Sequence[Settled]) -> AbstractSet[JobId]:
        return _settle(self._jobs, self._rows, ends)

    def _due(self) -> list[Row]:
        live = [row for row in self._rows.values() if row.status in ("waiting", "claimed")]
        return sorted((row for row in live if row.due_at <= self._jobs.now), key=lambda row: row.due_at)

    def _claim(self, picked: Sequence[Row], leases: Mapping[str, timedelta]) -> Claim:
        follows = [row for row in picked if self._follows(row)]
        for row in follows:
            row.status = "blocked"
        free = [row for row in picked if row not in follows]
        return Claim([row.claim(self._jobs.now, leases[row.kind]) for row in free], followers=len(follows))

    def _follows(self, row: Row) -> bool:
        return row.order_key is not None and any(
            other.seq < row.seq or other.status == "claimed"
            for other in self._rows.values()
            if other.id != row.id and _key(other) == _key(row) and other.status != "dead"
        )


def _is_passed(tenant: TenantId, behind: TenantId | None) -> bool:
    return behind is not None and tenant <= behind


def _key(row: Row) -> tuple[TenantId, str | None]:
    return row.tenant_id, row.order_key


def _ask_again(row: Row, due_at: datetime) -> None:
    if row.status == "claimed":
        row.again_at = min(row.again_at or due_at, due_at)
        return
    row.wanted_at = min(row.wanted_at, due_at)
    if row.attempts == 0:
        row.due_at = min(row.due_at, due_at)


def _settle(jobs: InMemoryJobs, rows: dict[JobId, Row], ends: Sequence[Settled]) -> AbstractSet[JobId]:
    held: Counter[JobId] = Counter()
    for settled in ends:
        row = rows.get(settled.claimed.id)
        if row is None or row.status != "claimed" or row.epoch != settled.claimed.epoch:
            continue
        held[row.id] += 1
        _end(jobs, rows, row, settled)
        if row.order_key is not None and settled.end not in (JobEnd.WAIT, JobEnd.RETRY):
            _unblock(rows, row)
    return held.keys()


def _end(jobs: InMemoryJobs, rows: dict[JobId, Row], row: Row, settled: Settled) -> None:
    again_at, row.again_at, row.unfinished = row.again_at, None, 0
    row.error_code, row.error_reason = settled.code or row.error_code, settled.reason or row.error_reason
    due_at = jobs.now + settled.after
    match settled.end:
        case JobEnd.DONE | JobEnd.DEAD if again_at is not None:
            _begin_again(jobs, row, again_at)
        case JobEnd.DONE:
            del rows[row.id]
        case JobEnd.DEAD:
            row.status, row.died_at, row.attempts = "dead", jobs.now, row.attempts + 1
        case JobEnd.REPEAT:
            row.error_code = row.error_reason = None
            _begin_again(jobs, row, min(due_at, again_at or due_at))
        case JobEnd.RETRY | JobEnd.WAIT:
            row.status, row.due_at = "waiting", due_at
            row.attempts += settled.end is JobEnd.RETRY


def _begin_again(jobs: InMemoryJobs, row: Row, due_at: datetime) -> None:
    row.status, row.attempts, row.seq = "waiting", 0, next(jobs.numbers)
    row.due_at = row.wanted_at = due_at


def _unblock(rows: Mapping[JobId, Row], ended: Row) -> None:
    blocked = [row for row in rows.values() if row.status == "blocked" and _key(row) == _key(ended)]
    if blocked:
        min(blocked, key=lambda row: row.seq).status = "waiting"
