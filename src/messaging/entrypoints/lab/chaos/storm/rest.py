"""Waits until the platform has come to rest after a storm, and looks what it still holds then."""

import asyncio
import os
import re
import time
from collections.abc import Mapping
from typing import Final

import asyncpg
import httpx

from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.processes.memory import resident_mib

_POLL: Final = 0.25
_WAITING: Final = """
SELECT (SELECT count(*) FROM messages WHERE state IN ('scheduled', 'queued', 'claimed', 'sending', 'unknown')) AS open,
       (SELECT count(*) FROM dispatches WHERE kind NOT IN ('rematch', 'poll_status')) AS due,
       (SELECT count(*) FROM jobs WHERE kind <> 'sync_templates') AS jobs,
       (SELECT count(*) FROM raw_webhooks WHERE status = 'stored') AS stored,
       (SELECT count(*) FROM pending_events) AS unannounced,
       (SELECT count(*) FROM callback_queue WHERE NOT held) AS callbacks
"""
# Everything that happens leaves an event, a raw webhook or an attempt.
_HAPPENED: Final = """
SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM raw_webhooks) AS webhooks,
       (SELECT count(*) FROM attempts) AS attempts
"""
# A transaction that lasts is the same transaction of the same backend.
_TRANSACTIONS: Final = """
SELECT pid, xact_start FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
  AND backend_type = 'client backend'
"""
_LOOKS: Final = 10
_LOOK_AGAIN: Final = 0.5
_POOLS: Final = re.compile(r"^messaging_database_connections_in_use\{.*\} ([0-9.]+)$", re.MULTILINE)
# Growth that a process may have since its start: pools that have grown, caches that have filled.
_MORE_FILES: Final = 120
_MORE_MEMORY_MIB: Final = 250


async def until_quiescent(
    sandbox: LocalClient, connection: "asyncpg.Connection[asyncpg.Record]", *, within: float
) -> str:
    """Returns what was still waiting when the time was over; nothing (`""`) if all came to rest before.

    Database and provider cannot be asked at the same instant, and a webhook on its way between the two is seen by
    neither. So rest is: nothing waits on either side, twice in a row, and nothing happened between the two looks.
    """
    give_up_at = time.monotonic() + within
    happened_before: dict[str, int] | None = None
    while True:
        happened = await _row(connection, _HAPPENED)
        pending = (await sandbox.get("/_webhooks", limit=1))["pending"]
        waiting = {**await _row(connection, _WAITING), "webhooks pending": pending}
        at_rest = not any(waiting.values())
        if at_rest and happened == happened_before:
            return ""
        if time.monotonic() > give_up_at:
            return ", ".join(f"{name} {count}" for name, count in waiting.items() if count) or "new events"
        happened_before = happened if at_rest else None
        await asyncio.sleep(_POLL)


async def _row(connection: "asyncpg.Connection[asyncpg.Record]", query: str) -> dict[str, int]:
    row = await connection.fetchrow(query)
    assert row is not None
    return dict(row)


def held(pids: Mapping[str, int]) -> dict[str, tuple[int, float]]:
    """The open files and the resident memory (MiB) of each process."""
    resident = resident_mib(pids)
    return {name: (_files(pid), resident[name]) for name, pid in pids.items()}


Holdings = list[tuple[str, float, float]]
"""What is held, how much of it, and how much is allowed."""


def grown(before: Mapping[str, tuple[int, float]], after: Mapping[str, tuple[int, float]]) -> Holdings:
    found: Holdings = []
    for name, (files, mebibytes) in after.items():
        files_before, mebibytes_before = before[name]
        found.append((f"open files of {name}", files, files_before + _MORE_FILES))
        found.append((f"resident MiB of {name}", mebibytes, mebibytes_before + _MORE_MEMORY_MIB))
    return found


async def busy(connection: "asyncpg.Connection[asyncpg.Record]", listeners: Mapping[str, str]) -> Holdings:
    """Transactions and pooled connections that nobody gives back; `listeners` tell the metrics of each process.

    Processes look for work at rest too, and on a slow machine a look takes its time: only what is there at every one of
    several looks is held.
    """
    found: Holdings = [("transactions held", float(await _held(connection)), 0.0)]
    return [
        *found,
        *[(f"pooled connections taken by {name}", await _taken(url), 0.0) for name, url in listeners.items()],
    ]


async def _held(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    held = set(await connection.fetch(_TRANSACTIONS))
    for _ in range(_LOOKS):
        if held:
            await asyncio.sleep(_LOOK_AGAIN)
            held &= set(await connection.fetch(_TRANSACTIONS))
    return len(held)


async def _taken(url: str) -> float:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        for look in range(_LOOKS):
            await asyncio.sleep(_LOOK_AGAIN if look else 0)
            found = _POOLS.findall((await client.get("/metrics")).text)
            assert found, f"{url} does not tell of its pools"
            if (taken := sum(map(float, found))) == 0:
                break
    return taken


def _files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
