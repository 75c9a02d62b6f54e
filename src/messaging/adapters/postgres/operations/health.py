"""Checks that Postgres is ready for this code, and measures how much work waits in it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.outbox.job_records import PostgresJobRecords
from messaging.adapters.postgres.schema.revisions import head
from messaging.adapters.postgres.session.transactions import driver_error, transaction
from messaging.application.ports.health import Check
from messaging.application.ports.job_records import JobCount
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority

# One pass over the outbox (the table dispatches), which holds only work that waits.
LANE_DEPTHS: Final = """
SELECT d.channel, d.priority,
       count(*) FILTER (WHERE d.due_at <= statement_timestamp()) AS due,
       count(*) FILTER (WHERE d.due_at > statement_timestamp()) AS waiting,
       min(d.due_at) FILTER (WHERE d.due_at <= statement_timestamp()) AS oldest_due_at
FROM dispatches d WHERE d.kind = 'deliver'
GROUP BY d.channel, d.priority
"""

# The age of the oldest due dispatch in the urgent lanes. Index: dispatches_lane_idx. Other lanes do not count: a
# campaign that waits for its sender's rate limit is late by design, a one-time password never is.
LAG: Final = """
SELECT COALESCE(extract(epoch FROM clock_timestamp() - min(d.due_at)), 0)::float
FROM dispatches d
WHERE d.kind = 'deliver' AND d.channel = ANY($1::text[]) AND d.priority = ANY('{critical,high}'::text[])
  AND d.due_at <= statement_timestamp()
"""

# Every hour workers make partitions for eight weeks ahead. A row without a partition goes into the default partition.
WEEKS_AHEAD: Final = """
SELECT count(*) FROM generate_series(0, 8) n
WHERE to_regclass(partition_name('messages', clock_timestamp() + n * interval '7 days')) IS NOT NULL
"""

# True in recovery, and when the server or the login starts transactions that only read.
ONLY_READS: Final = "SELECT current_setting('transaction_read_only')::boolean"

# The server's identity, and whether messages are still in doubt since it became another one (failover or restore).
IDENTITY: Final = """
SELECT p.system_identifier, p.timeline,
       COALESCE(i.settled AND (i.system_identifier, i.timeline) = (p.system_identifier, p.timeline), true) AS settled
FROM present_identity() p LEFT JOIN platform_identity i ON i.one
"""


_FEWEST_WEEKS: Final = 2

# Errors of a database without our schema: no tables, tables of another owner, or no such role.
_NOT_MIGRATED: Final = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidParameterValueError,
)


class PostgresHealth:
    """Checks Postgres through the `system` engine. A failed check is returned as an answer, not raised."""

    def __init__(self, engine: AsyncEngine, *, tolerated_lag: timedelta = timedelta(minutes=5)) -> None:
        self._engine = engine
        self._tolerated_lag = tolerated_lag.total_seconds()
        self._head = head()

    async def checks(self) -> Sequence[Check]:
        try:
            async with transaction(self._engine) as opened:
                only_reads = await opened.driver.fetchval(ONLY_READS)
                version = await opened.driver.fetchval("SELECT version_num FROM alembic_version")
                weeks = await opened.driver.fetchval(WEEKS_AHEAD)
                lag = await opened.driver.fetchval(LAG, list(Channel))
                identity = await opened.driver.fetchrow(IDENTITY)
        except StoreUnavailable:
            detail = "PostgreSQL does not answer. Check that it runs and that APP_DATABASE_URL points to it: app doctor"
            return [Check(name="postgres", ok=False, detail=detail)]
        except (DBAPIError, *_NOT_MIGRATED) as error:
            if not isinstance(driver_error(error), _NOT_MIGRATED):
                raise
            return [Check(name="postgres", ok=True, detail="answers"), _migrated(None, self._head)]
        return [
            _writable(only_reads),
            _migrated(version, self._head),
            _partitioned(weeks),
            _relayed(lag, self._tolerated_lag),
            _settled(identity),
        ]

    async def lane_depths(self) -> Sequence[LaneDepth]:
        """The depth of every lane that is not empty. Raises StoreUnavailable."""
        async with transaction(self._engine) as opened:
            return [
                LaneDepth(
                    lane=DeliverLane(channel=Channel(row["channel"]), priority=Priority(row["priority"])),
                    due=row["due"],
                    waiting=row["waiting"],
                    oldest_due_at=row["oldest_due_at"],
                )
                for row in await opened.driver.fetch(LANE_DEPTHS)
            ]

    async def job_counts(self) -> Sequence[JobCount]:
        """The counts of every kind of which there are jobs. Raises StoreUnavailable."""
        async with transaction(self._engine) as opened:
            return await PostgresJobRecords(opened.driver).counts()


def _writable(only_reads: bool) -> Check:
    detail = "takes writes"
    if only_reads:
        detail = (
            "only reads: a replica, or default_transaction_read_only is on. Point the database URLs to the primary."
        )
    return Check(name="postgres", ok=not only_reads, detail=detail)


def _migrated(version: str | None, head: str) -> Check:
    ok = version == head
    detail = f"at {version}" if ok else f"at {version or 'nothing'}, this code needs {head}: app migrate"
    return Check(name="migrations", ok=ok, detail=detail)


def _partitioned(weeks: int) -> Check:
    ok = weeks > _FEWEST_WEEKS
    detail = f"made for {weeks} weeks, this one included"
    if not ok:
        detail += "; is a worker running? Start one: app worker"
    return Check(name="partitions", ok=ok, detail=detail, tolerable=True)


def _relayed(lag: float, tolerated: float) -> Check:
    ok = lag <= tolerated
    detail = f"the oldest urgent message is {lag:.0f} s late"
    if not ok:
        detail += "; is a worker running? Start one: app worker"
    return Check(name="relay_lag", ok=ok, detail=detail, tolerable=True)


def _settled(identity: asyncpg.Record | None) -> Check:
    """A check that never takes a process out of service: accepting goes on, and workers resolve the doubt."""
    assert identity is not None, "the function returns exactly one row"
    detail = f"system {identity['system_identifier']}, timeline {identity['timeline']}"
    if not identity["settled"]:
        detail += "; not the server it was: nothing is claimed until what was due before is put aside"
    return Check(name="identity", ok=True, detail=detail)
