"""The look at jobs in memory, and a person's decisions about dead ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from messaging.application.ports.job_records import DeadJob, JobCount
from messaging.domain.shared.ids import JobId
from tests.fakes.outbox import InMemoryJobsUnitOfWork, Row


class InMemoryJobRecords:
    """In a transaction of jobs."""

    def __init__(self, uow: InMemoryJobsUnitOfWork) -> None:
        self._rows = uow.rows
        self._now = uow.now

    async def counts(self) -> Sequence[JobCount]:
        kinds = sorted({row.kind for row in self._rows.values()})
        return [_count(kind, [row for row in self._rows.values() if row.kind == kind], self._now) for kind in kinds]

    async def dead(self, *, before: JobId | None, limit: int, kind: str | None = None) -> Sequence[DeadJob]:
        dead = [row for row in self._rows.values() if row.status == "dead" and kind in (None, row.kind)]
        newest = sorted((row for row in dead if before is None or row.id < before), key=lambda row: row.id)[::-1]
        return [_dead(row) for row in newest[:limit]]

    async def find(self, id: JobId) -> DeadJob | None:
        row = self._rows.get(id)
        return _dead(row) if row is not None and row.status == "dead" else None

    async def revive(self, id: JobId) -> bool:
        row = self._rows[id]
        if row.unique_key is not None and any(_is_live_twin(row, other) for other in self._rows.values()):
            return False
        row.status, row.died_at, row.attempts, row.unfinished = "waiting", None, 0, 0
        row.due_at = row.wanted_at = self._now
        return True

    async def discard(self, id: JobId) -> None:
        del self._rows[id]

    async def purge(self, *, dead_for: timedelta, limit: int) -> int:
        old = [row.id for row in self._rows.values() if row.died_at is not None and row.died_at <= self._now - dead_for]
        for id in old[:limit]:
            del self._rows[id]
        return len(old[:limit])


def _is_live_twin(row: Row, other: Row) -> bool:
    def key(it: Row) -> tuple[object, ...]:
        return it.tenant_id, it.mode, it.kind, it.unique_key

    return other.status != "dead" and key(other) == key(row)


def _count(kind: str, rows: Sequence[Row], now: datetime) -> JobCount:
    by_status: Mapping[str, list[Row]] = {
        status: [row for row in rows if row.status == status] for status in ("waiting", "claimed", "blocked", "dead")
    }
    due = [row.due_at for row in by_status["waiting"] if row.due_at <= now]
    return JobCount(
        kind=kind,
        due=len(due),
        running=len(by_status["claimed"]),
        waiting=len(by_status["waiting"]) - len(due) + len(by_status["blocked"]),
        dead=len(by_status["dead"]),
        oldest_due_at=min(due, default=None),
    )


def _dead(row: Row) -> DeadJob:
    assert row.died_at is not None
    return DeadJob(
        id=row.id,
        tenant_id=row.tenant_id,
        mode=row.mode,
        kind=row.kind,
        payload=row.payload,
        wanted_at=row.wanted_at,
        died_at=row.died_at,
        attempts=row.attempts,
        code=row.error_code,
        reason=row.error_reason,
    )
