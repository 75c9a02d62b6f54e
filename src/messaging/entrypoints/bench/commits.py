"""How many durable commits does this machine's Postgres make in a second?"""

import asyncio
import time

import asyncpg

_CONNECTIONS = 8


async def commits_per_second(url: str, *, seconds: float) -> float:
    """One row per commit over eight connections: what group commit is an answer to."""
    connections = [await asyncpg.connect(url) for _ in range(_CONNECTIONS)]
    try:
        await connections[0].execute("CREATE TABLE IF NOT EXISTS bench_commits (id bigint)")
        began = time.perf_counter()
        counts = await asyncio.gather(*(_commit(connection, began + seconds) for connection in connections))
        elapsed = time.perf_counter() - began
        await connections[0].execute("DROP TABLE bench_commits")
    finally:
        for connection in connections:
            await connection.close()
    return sum(counts) / elapsed


async def _commit(connection: "asyncpg.Connection[asyncpg.Record]", until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        await connection.execute("INSERT INTO bench_commits VALUES (1)")
        count += 1
    return count
