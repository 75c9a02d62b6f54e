"""How many durable commits does this machine's Postgres make in a second, one message each?"""

import asyncio
import time
from typing import Final

import asyncpg

CONNECTIONS: Final = 32
_MAKE: Final = """
CREATE TABLE bench_messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL);
CREATE TABLE bench_dispatches (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, due_at timestamptz NOT NULL)
"""
_INSERT: Final = """
WITH message AS (INSERT INTO bench_messages (body) VALUES ($1))
INSERT INTO bench_dispatches (due_at) VALUES (now())
"""
_BODY: Final = "x" * 400


async def commits_per_second(url: str, *, seconds: float) -> float:
    """A message and its outbox row per commit, each of 32 connections waiting for its own: no group commit."""
    connections = [await asyncpg.connect(url) for _ in range(CONNECTIONS)]
    try:
        await connections[0].execute(_MAKE)
        began = time.perf_counter()
        counts = await asyncio.gather(*(_commit(connection, began + seconds) for connection in connections))
        elapsed = time.perf_counter() - began
        await connections[0].execute("DROP TABLE bench_messages, bench_dispatches")
    finally:
        for connection in connections:
            await connection.close()
    return sum(counts) / elapsed


async def _commit(connection: "asyncpg.Connection[asyncpg.Record]", until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        await connection.execute(_INSERT, _BODY)
        count += 1
    return count
