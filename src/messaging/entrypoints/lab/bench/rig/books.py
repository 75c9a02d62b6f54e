"""Figures of a stretch of time as the database tells them: its clock and its rows, read as a superuser."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from msgspec import Struct

_POLL_SECONDS: Final = 0.2


class Stretch(Struct, frozen=True, kw_only=True):
    """`count` things between two instants; percentiles in milliseconds, 0 when there were none."""

    count: int
    p50_ms: float
    p99_ms: float
    first: datetime | None
    last: datetime | None

    @property
    def per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0

    @property
    def seconds(self) -> float:
        if self.first is None or self.last is None:
            return 0.0
        return (self.last - self.first).total_seconds()


# Queries are bounded by id as well, so that partitions of past weeks are not opened and reading disturbs nothing.
_ATTEMPTS: Final = """
SELECT count(*), min(finished_at), max(finished_at),
       percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at))
FROM attempts
WHERE finished_at BETWEEN $1 AND $2 AND started_at IS NOT NULL AND message_id > uuid_floor($1 - interval '1 hour')
"""
_REPORTS: Final = """
SELECT count(*), min(created_at), max(reported_at),
       percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM reported_at - created_at))
FROM (SELECT m.created_at, e.recorded_at AS reported_at
      FROM messages m JOIN events e ON e.tenant_id = m.tenant_id AND e.message_id = m.id AND e.state = $3
      WHERE m.created_at BETWEEN $1 AND $2 AND m.id > uuid_floor($1 - interval '1 hour')
      AND e.message_id > uuid_floor($1 - interval '1 hour')) reports
"""
_WAITS: Final = """
SELECT count(*), min(m.created_at), max(a.started_at),
       percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM a.started_at - m.created_at))
FROM messages m JOIN attempts a ON a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.epoch = 1
WHERE m.tenant_id = $1 AND m.created_at BETWEEN $2 AND $3
"""
_SHARES: Final = """
SELECT t.id, count(a.started_at) FROM unnest($1::uuid[]) t (id)
LEFT JOIN attempts a ON a.tenant_id = t.id AND a.started_at BETWEEN $2 AND $3
GROUP BY t.id
"""
_BACKLOG: Final = """
SELECT count(*) FROM dispatches WHERE kind IN ('deliver', 'process_webhook') AND due_at <= clock_timestamp()
"""
_ACCEPTED: Final = """
SELECT id, extract(epoch FROM created_at)::float8 FROM messages
WHERE created_at >= $1 AND id > uuid_floor($1 - interval '1 hour')
"""
_UNTOLD: Final = "SELECT (SELECT count(*) FROM pending_events) + (SELECT count(*) FROM callback_queue)"
_WAITING_TENANTS: Final = """
SELECT count(DISTINCT tenant_id) FROM dispatches WHERE kind = 'deliver' AND tenant_id = ANY($1)
"""
# The switch needs something written before it: PostgreSQL does not switch away from an empty segment.
_NEXT_SEGMENT: Final = "SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()"
# Segments, 1 GiB together: more than any measurement but the fillings writes before PostgreSQL recycles by itself.
_SEGMENTS: Final = 64
_THROTTLED: Final = "SELECT count(*) FROM attempts WHERE tenant_id = $1 AND outcome = 'throttled'"


class Books:
    """Reads the database on one connection, one question at a time; `url` is for those who need more connections."""

    def __init__(self, url: str, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.url = url
        self.connection = connection

    async def now(self) -> datetime:
        now: datetime = await self.connection.fetchval("SELECT clock_timestamp()")
        return now

    async def attempts(self, since: datetime, until: datetime) -> Stretch:
        """Sends whose outcome was recorded in that time; latency is from the recorded start to the recorded outcome."""
        return _stretch(await self.connection.fetchrow(_ATTEMPTS, since, until))

    async def reports(self, since: datetime, until: datetime, last_word: str) -> Stretch:
        """Messages accepted in that time and reported in this state since; latency is from acceptance to the recorded
        report.
        """
        return _stretch(await self.connection.fetchrow(_REPORTS, since, until, last_word))

    async def accepted(self, since: datetime) -> int:
        question = "SELECT count(*) FROM messages WHERE created_at >= $1 AND id > uuid_floor($1 - interval '1 hour')"
        return await self._count(question, since)

    async def accepted_at(self, since: datetime) -> "list[asyncpg.Record]":
        """The messages accepted since then, each with the instant in epoch seconds."""
        return await self.connection.fetch(_ACCEPTED, since)

    async def untold(self) -> int:
        """The number of events and callbacks that are still to be told."""
        return await self._count(_UNTOLD)

    async def waits(self, tenant: UUID, since: datetime, until: datetime) -> Stretch:
        """A tenant's messages accepted in that time; latency is from acceptance to the start of the first attempt."""
        return _stretch(await self.connection.fetchrow(_WAITS, tenant, since, until))

    async def shares(self, tenants: Sequence[UUID], since: datetime, until: datetime) -> list[int]:
        """The number of attempts of each tenant that started in that time."""
        return [count for _, count in await self.connection.fetch(_SHARES, tenants, since, until)]

    async def waiting(self, tenants: Sequence[UUID]) -> int:
        """The number of these tenants that have messages left to send."""
        return await self._count(_WAITING_TENANTS, tenants)

    async def throttled(self, tenant: UUID) -> int:
        """The number of sends that the provider refused for their rate."""
        return await self._count(_THROTTLED, tenant)

    async def backlog(self) -> int:
        """The number of messages and stored webhooks that are due and that nobody has taken up."""
        return await self._count(_BACKLOG)

    async def recycle_wal(self) -> None:
        """Prepares as much write-ahead log as a server has that has run for a while.

        A new cluster makes each segment when it gets there: 16 MiB of zeros and a flush, for which every commit waits
        (20 to 40 ms, every 5 500 accepted messages). A server that has run for a while renames segments that it no
        longer needs.
        """
        for _ in range(_SEGMENTS):
            await self.connection.execute(_NEXT_SEGMENT)
        await self.connection.execute("CHECKPOINT")

    async def forget_due_work(self) -> None:
        """Removes due work that a measurement left over, so that it does not disturb the next one."""
        await self.connection.execute("TRUNCATE dispatches")

    async def webhooks_processed(self, *, within: float) -> None:
        await self._until("SELECT NOT EXISTS (SELECT 1 FROM dispatches WHERE kind = 'process_webhook')", within)

    async def nothing_due(self, *, within: float) -> None:
        await self._until("SELECT NOT EXISTS (SELECT 1 FROM dispatches WHERE kind = 'deliver')", within)

    async def _count(self, question: str, *arguments: object) -> int:
        count: int = await self.connection.fetchval(question, *arguments)
        return count

    async def _until(self, question: str, within: float) -> None:
        give_up_at = time.monotonic() + within
        while not await self.connection.fetchval(question):
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"not so within {within:g} s: {question}")
            await asyncio.sleep(_POLL_SECONDS)


@asynccontextmanager
async def open_books(url: str) -> AsyncIterator[Books]:
    connection = await asyncpg.connect(url)
    try:
        yield Books(url, connection)
    finally:
        await connection.close()


def _stretch(row: "asyncpg.Record | None") -> Stretch:
    assert row is not None
    count, first, last, percentiles = row
    p50, p99 = (round(float(part or 0) * 1000, 2) for part in percentiles or (0, 0))
    return Stretch(count=count, p50_ms=p50, p99_ms=p99, first=first, last=last)
