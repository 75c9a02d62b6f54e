"""Counts jobs, lists dead ones, and writes what a person decided about them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from asyncpg import Record, UniqueViolationError

from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.job_records import DeadJob, JobCount
from messaging.domain.shared.ids import JobId, TenantId
from messaging.domain.shared.mode import Mode

# One pass over the table, which holds only jobs that are not done.
COUNTS: Final = """
SELECT j.kind,
       count(*) FILTER (WHERE j.status = 'waiting' AND j.due_at <= statement_timestamp())::int AS due,
       count(*) FILTER (WHERE j.status = 'claimed')::int AS running,
       count(*) FILTER (WHERE j.status = 'blocked' OR j.status = 'waiting' AND j.due_at > statement_timestamp())::int
           AS waiting,
       count(*) FILTER (WHERE j.status = 'dead')::int AS dead,
       min(j.due_at) FILTER (WHERE j.status = 'waiting' AND j.due_at <= statement_timestamp()) AS oldest_due_at
FROM jobs j GROUP BY j.kind ORDER BY j.kind
"""

# Index: jobs_dead_idx, backwards.
DEAD: Final = """
SELECT j.id, j.tenant_id, j.mode, j.kind, j.payload::text, j.wanted_at, j.died_at, j.attempts, j.error_code,
    j.error_reason
FROM jobs j
WHERE j.status = 'dead' AND ($1::uuid IS NULL OR j.id < $1) AND ($2::text IS NULL OR j.kind = $2)
ORDER BY j.id DESC LIMIT $3
"""

# Index: jobs_dead_idx.
FIND: Final = """
SELECT j.id, j.tenant_id, j.mode, j.kind, j.payload::text, j.wanted_at, j.died_at, j.attempts, j.error_code,
    j.error_reason
FROM jobs j WHERE j.id = $1 AND j.status = 'dead' FOR UPDATE
"""

# Indexes: jobs_dead_idx, jobs_unique_key. The job has its former place among those of its key.
REVIVE: Final = """
UPDATE jobs j
SET status = 'waiting', due_at = clock_timestamp(), wanted_at = clock_timestamp(), died_at = NULL, attempts = 0,
    unfinished = 0
WHERE j.id = $1 AND j.status = 'dead' AND NOT EXISTS (
    SELECT FROM jobs o
    WHERE o.tenant_id = j.tenant_id AND o.mode = j.mode AND o.kind = j.kind AND o.unique_key = j.unique_key
      AND o.status <> 'dead'
)
"""

DISCARD: Final = "DELETE FROM jobs j WHERE j.id = $1 AND j.status = 'dead'"

# Index: jobs_died_idx.
PURGE: Final = """
DELETE FROM jobs j USING (
    SELECT tenant_id, id FROM jobs WHERE status = 'dead' AND died_at <= statement_timestamp() - $1::interval
    ORDER BY died_at LIMIT $2 FOR UPDATE SKIP LOCKED
) AS old WHERE j.tenant_id = old.tenant_id AND j.id = old.id
"""


class PostgresJobRecords:
    """Bound to one open transaction of the `messaging_system` role."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def counts(self) -> Sequence[JobCount]:
        return [JobCount(**row) for row in await self._driver.fetch(COUNTS)]

    async def dead(self, *, before: JobId | None, limit: int, kind: str | None = None) -> Sequence[DeadJob]:
        return [_dead(row) for row in await self._driver.fetch(DEAD, before, kind, limit)]

    async def find(self, id: JobId) -> DeadJob | None:
        row = await self._driver.fetchrow(FIND, id)
        return None if row is None else _dead(row)

    async def revive(self, id: JobId) -> bool:
        try:
            return await self._driver.execute(REVIVE, id) == "UPDATE 1"
        except UniqueViolationError:
            # The same work was asked for in a transaction that the statement did not see yet.
            return False

    async def discard(self, id: JobId) -> None:
        await self._driver.execute(DISCARD, id)

    async def purge(self, *, dead_for: timedelta, limit: int) -> int:
        return int((await self._driver.execute(PURGE, dead_for, limit)).split()[-1])


def _dead(row: Record) -> DeadJob:
    return DeadJob(
        id=JobId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        mode=Mode(row["mode"]),
        kind=row["kind"],
        payload=row["payload"],
        wanted_at=row["wanted_at"],
        died_at=row["died_at"],
        attempts=row["attempts"],
        code=row["error_code"],
        reason=row["error_reason"],
    )
