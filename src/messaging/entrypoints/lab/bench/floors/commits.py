"""Measures how many messages a second would be accepted if each were committed by itself."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from messaging.entrypoints.composition.clock import new_id
from messaging.entrypoints.lab.bench.report import MeasurementFailed

CONNECTIONS: Final = 32
# The rows have the platform's own columns, indexes and checks: rows of another shape would be another measurement.
_MAKE: Final = """
CREATE TABLE bench_messages (LIKE messages INCLUDING ALL);
CREATE TABLE bench_dispatches (LIKE dispatches INCLUDING ALL)
"""
_A_MESSAGE: Final = "SELECT * FROM messages ORDER BY id DESC LIMIT 1"
_DISPATCH: Final = """
INSERT INTO bench_dispatches (tenant_id, subject_id, sender_id, due_at, kind, channel, priority)
VALUES ($1, $2, $3, now(), 'deliver', $4, $5)
"""


class _Original(Struct, frozen=True):
    """A stored message, of which copies are made under other ids."""

    insert: str
    columns: Sequence[str]
    row: dict[str, Any]

    def copy(self, id: UUID) -> list[Any]:
        return [id if column == "id" else self.row[column] for column in self.columns]


async def commits_per_second(url: str, *, seconds: float) -> float:
    """A message's row and its outbox row per commit, each of 32 connections waiting for its own: no group commit.

    As durable as the platform's commits, and by the platform's settings of PostgreSQL, which lets commits that come
    together share a flush. Contents, events, idempotency records and references to other tables are left out, and so
    is everything before the database.
    """
    connections = [await asyncpg.connect(url) for _ in range(CONNECTIONS)]
    try:
        original = await _original(connections[0])
        await connections[0].execute(_MAKE)
        began = time.perf_counter()
        counts = await asyncio.gather(*(_accept(one, original, began + seconds) for one in connections))
        elapsed = time.perf_counter() - began
        await connections[0].execute("DROP TABLE bench_messages, bench_dispatches")
    finally:
        for connection in connections:
            await connection.close()
    return sum(counts) / elapsed


async def _original(connection: "asyncpg.Connection[asyncpg.Record]") -> _Original:
    row = await connection.fetchrow(_A_MESSAGE)
    if row is None:
        raise MeasurementFailed("no message was accepted that could be copied")
    columns = list(row.keys())
    concurrency = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    # Names of columns come from the table itself.
    insert = f"INSERT INTO bench_messages ({', '.join(columns)}) VALUES ({concurrency})"  # noqa: S608
    return _Original(insert, columns, dict(row))


async def _accept(connection: "asyncpg.Connection[asyncpg.Record]", original: _Original, until: float) -> int:
    count, row = 0, original.row
    while time.perf_counter() < until:
        id = new_id()
        async with connection.transaction():
            await connection.execute(original.insert, *original.copy(id))
            await connection.execute(_DISPATCH, row["tenant_id"], id, row["sender_id"], row["channel"], row["priority"])
        count += 1
    return count
