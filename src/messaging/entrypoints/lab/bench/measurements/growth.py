"""Measures whether the platform stays fast with full tables: accept and deliver before and after, lists, scans."""

import asyncio
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.secrets import TenantCipher
from messaging.domain.shared.ids import MessageId, Prefix, TenantId, parse_typeid
from messaging.entrypoints.composition.commands.sealing import key_ring
from messaging.entrypoints.lab.bench.measurements.accept import accepted
from messaging.entrypoints.lab.bench.measurements.deliver import delivered
from messaging.entrypoints.lab.bench.report import Findings, Measured, MeasurementFailed, medians
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.filling import Filling, recipient, reference
from messaging.entrypoints.lab.bench.rig.rig import Rig, uuid_of
from messaging.entrypoints.lab.dev.client import LocalClient

_MESSAGES = 1_000_000
_SECONDS = 8.0
_ROUNDS = 3
_CALLS = 40
_PAGE = 50
_TOLD_WITHIN_SECONDS = 30.0
# Recipients whose outcome at the sandbox is known.
_READING, _FAILING = "+14155550100", "+14155550110"

_SCANS = """
SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_user_tables
WHERE relname ~ '_[0-9]{4}w[0-9]{2}$' AND n_live_tup > 1000
  AND right(relname, 7) < to_char(clock_timestamp() AT TIME ZONE 'UTC' - interval '7 days', 'IYYY"w"IW')
"""


async def growth(rig: Rig) -> Findings:
    count = rig.order.n or _MESSAGES
    found = dict(await _measured(rig, "empty"))
    began = time.perf_counter()
    await _fill(rig, count)
    filled_in, scans = time.perf_counter() - began, await _scans(rig)
    found |= await _measured(rig, "full")
    figures = {
        "messages": count,
        "filled_in_seconds": round(filled_in, 1),
        **_relations("accept", found),
        **_relations("deliver", found),
        **await _list_latencies(rig, count),
        "sequential_scans": await _scans(rig) - scans,
    }
    return Findings(measured=found, figures={"growth": figures})


async def _measured(rig: Rig, tables: str) -> Mapping[str, Measured]:
    """Medians of three rounds: it is chance whether autovacuum works on the present week during one of them."""
    rounds = []
    for _ in range(_ROUNDS):
        job = rig.job(bodies.single(), seconds=rig.order.seconds or _SECONDS)
        found = {f"accept_{tables}": await accepted(rig, job), f"deliver_{tables}": await delivered(rig, workers=1)}
        rounds.append(Findings(measured=found))
    return medians(rounds).measured


def _relations(name: str, found: Mapping[str, Measured]) -> dict[str, float]:
    """Relates rates before and after. Rates are promised; processor time tells whether the tables or the machine
    changed.
    """
    full, empty = found[f"{name}_full"], found[f"{name}_empty"]
    return {
        f"{name}_full_to_empty": round(full.per_second / empty.per_second, 3),
        f"{name}_cpu_full_to_empty": round(full.cpu_ms_per_message / empty.cpu_ms_per_message, 3),
    }


async def _scans(rig: Rig) -> int:
    """Sequential scans of full partitions so far; PostgreSQL's statistics arrive with a delay."""
    await asyncio.sleep(1.5)
    scans: int = await rig.books.connection.fetchval(_SCANS)
    return scans


async def _fill(rig: Rig, count: int) -> None:
    await rig.workers(1)
    await rig.sandbox(drop_probability=0.0)
    tenant = TenantId(uuid_of(rig.business))
    filling = Filling(
        rig.books.url,
        tenant=tenant,
        cipher=await _cipher(rig, tenant),
        read=await _one(rig, _READING, "read"),
        failed=await _one(rig, _FAILING, "failed"),
    )
    await filling(count)
    # The filled tables are written to disk for minutes otherwise, and commits wait behind that.
    await rig.books.recycle_wal()
    await rig.workers(0)


async def _cipher(rig: Rig, tenant: TenantId) -> TenantCipher:
    rows = await rig.books.connection.fetch("SELECT version, wrapped FROM data_keys WHERE tenant_id = $1", tenant)
    master_key = bytes.fromhex((Path(rig.stack.home) / "master_key").read_text())
    return key_ring(master_key).cipher(tenant, [WrappedKey(tenant_id=tenant, **row) for row in rows])


async def _one(rig: Rig, to: str, end: str) -> MessageId:
    """Sends a message and follows it to its end."""
    async with LocalClient(rig.stack.api, key=rig.business.api_key) as client:
        sent = await client.post("/v1/messages", bodies.one_to(to))
        give_up_at = time.monotonic() + _TOLD_WITHIN_SECONDS
        while (status := (await client.get(f"/v1/messages/{sent['id']}"))["status"]) != end:
            if time.monotonic() > give_up_at:
                raise MeasurementFailed(f"{sent['id']} is {status}, not {end}")
            await asyncio.sleep(0.1)
    found = parse_typeid(Prefix.MESSAGE, sent["id"])
    assert found is not None
    return MessageId(found)


async def _list_latencies(rig: Rig, count: int) -> dict[str, float]:
    chance = random.Random(rig.order.seed)
    figures: dict[str, float] = {}
    async with LocalClient(rig.stack.api, key=rig.business.api_key) as client:
        filters = _filters(count, chance)
        for name, queries in filters.items():
            times = [await _timed(client, query) for query in queries]
            figures |= {f"list_{name}_p50_ms": _at(times, 0.5), f"list_{name}_p95_ms": _at(times, 0.95)}
    return figures


def _filters(count: int, chance: random.Random) -> Mapping[str, list[dict[str, Any]]]:
    """The filters that support staff use, with other values in every call."""
    anybody = [recipient(chance.randrange(count)) for _ in range(_CALLS)]
    return {
        "newest": [{} for _ in range(_CALLS)],
        "to": [{"to": to} for to in anybody],
        "reference": [{"reference": reference(chance.randrange(count))} for _ in range(_CALLS)],
        "common_status": [{"status": "read"} for _ in range(_CALLS)],
        "rare_status": [{"status": "failed"} for _ in range(_CALLS)],
        "absent_status": [{"status": "cancelled"} for _ in range(_CALLS)],
        "template": [{"template": "order_confirmed"} for _ in range(_CALLS)],
        "to_and_status": [{"to": to, "status": "failed"} for to in anybody],
    }


async def _timed(client: LocalClient, query: dict[str, Any]) -> float:
    began = time.perf_counter()
    await client.get("/v1/messages", limit=_PAGE, **query)
    return (time.perf_counter() - began) * 1000


def _at(times: list[float], part: float) -> float:
    return round(sorted(times)[min(len(times) - 1, int(len(times) * part))], 1)
