"""What does the database say happened in a stretch of time? Its clock, its rows; read as a superuser."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

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
    def seconds(self) -> float:
        if self.first is None or self.last is None:
            return 0.0
        return (self.last - self.first).total_seconds()


_ATTEMPTS: Final = """
SELECT count(*), min(finished_at), max(finished_at),
       percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at))
FROM attempts WHERE finished_at BETWEEN $1 AND $2 AND started_at IS NOT NULL
"""
_REPORTS: Final = """
SELECT count(*), min(created_at), max(reported_at),
       percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM reported_at - created_at))
FROM (SELECT m.created_at, e.recorded_at AS reported_at
      FROM messages m JOIN events e ON e.tenant_id = m.tenant_id AND e.message_id = m.id AND e.state = 'delivered'
      WHERE m.created_at BETWEEN $1 AND $2) reports
"""


class Books:
    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def now(self) -> datetime:
        now: datetime = await self._connection.fetchval("SELECT clock_timestamp()")
        return now

    async def attempts(self, since: datetime, until: datetime) -> Stretch:
        """Sends whose outcome was recorded then; latency from the stamp to the recorded outcome."""
        return _stretch(await self._connection.fetchrow(_ATTEMPTS, since, until))

    async def reports(self, since: datetime, until: datetime) -> Stretch:
        """Messages accepted then and delivered since; latency from acceptance to the recorded delivery report."""
        return _stretch(await self._connection.fetchrow(_REPORTS, since, until))

    async def accepted(self, since: datetime) -> int:
        count: int = await self._connection.fetchval("SELECT count(*) FROM messages WHERE created_at >= $1", since)
        return count

    async def forget_due_work(self) -> None:
        """What a measurement left over must not disturb the next one."""
        await self._connection.execute("TRUNCATE dispatches")

    async def callbacks_processed(self, *, within: float) -> None:
        await self._until("SELECT NOT EXISTS (SELECT 1 FROM raw_callbacks WHERE status = 'stored')", within)

    async def nothing_due(self, *, within: float) -> None:
        await self._until("SELECT NOT EXISTS (SELECT 1 FROM dispatches WHERE kind = 'deliver')", within)

    async def _until(self, question: str, within: float) -> None:
        give_up_at = time.monotonic() + within
        while not await self._connection.fetchval(question):
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"not so within {within:g} s: {question}")
            await asyncio.sleep(_POLL_SECONDS)


@asynccontextmanager
async def open_books(url: str) -> AsyncIterator[Books]:
    connection = await asyncpg.connect(url)
    try:
        yield Books(connection)
    finally:
        await connection.close()


def _stretch(row: "asyncpg.Record | None") -> Stretch:
    assert row is not None
    count, first, last, percentiles = row
    p50, p99 = (round(float(part or 0) * 1000, 2) for part in percentiles or (0, 0))
    return Stretch(count=count, p50_ms=p50, p99_ms=p99, first=first, last=last)
