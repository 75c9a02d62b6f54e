"""Stores that answer and take nothing: readiness asks by writing."""

import json
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from messaging.adapters.postgres.operations.health import PostgresHealth
from messaging.adapters.postgres.session.engine import create_engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.redis.connections import pool_of
from messaging.application.ports.health import Check
from messaging.application.ports.job_records import JobCount
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.ports.workers import SeenWorker
from messaging.application.wakeups import DeliverLane
from messaging.entrypoints.composition.health.process import ProcessHealth
from messaging.entrypoints.observability.operations import Operations


class Fine:
    """A PostgreSQL with which all is well, and no worker yet."""

    async def checks(self) -> Sequence[Check]:
        return [Check(name="postgres", ok=True, detail="")]

    async def tell(self, name: str, lanes: Collection[DeliverLane], *, webhooks: bool) -> None:
        raise AssertionError("readiness is not a worker")

    async def leave(self, name: str) -> None:
        raise AssertionError("readiness is not a worker")

    async def seen(self) -> Sequence[SeenWorker]:
        return [
            SeenWorker(name="w", lanes=frozenset(), webhooks=True, started_at=datetime.now(UTC), age=0, is_live=True)
        ]

    async def job_counts(self) -> Sequence[JobCount]:
        return ()

    async def lane_depths(self) -> Sequence[LaneDepth]:
        return ()


async def fine() -> Check:
    return Check(name="logins", ok=True, detail="")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_pool(pool_of(redis_url))
    yield client
    await client.config_set("maxmemory", "0")
    await client.replicaof("NO", "ONE")
    await client.aclose()


async def readiness(redis: Redis) -> tuple[int, dict[str, object]]:
    health = ProcessHealth(store=Fine(), logins=fine, workers=Fine(), carried={}, redis=redis)
    answer = await Operations(health, CollectorRegistry()).answer("/readyz")
    told = json.loads(answer.body)
    [check] = [check for check in told["checks"] if check["name"] == "redis"]
    return answer.status, {"status": told["status"], **check}


async def test_a_redis_out_of_memory_or_read_only_degrades_and_is_told(redis: Redis) -> None:
    well = await readiness(redis)
    await redis.config_set("maxmemory", "1")
    full = await readiness(redis)
    await redis.config_set("maxmemory", "0")
    await redis.replicaof("127.0.0.1", "1")
    replica = await readiness(redis)

    assert (well[0], well[1]["status"], well[1]["ok"]) == (200, "ready", True)
    for answer in (full, replica):
        assert (answer[0], answer[1]["status"], answer[1]["ok"]) == (200, "degraded", False)
    assert "refuses writes (OutOfMemoryError)" in str(full[1]["detail"])
    assert "refuses writes (ReadOnlyError)" in str(replica[1]["detail"])


async def test_a_postgres_that_only_reads_is_not_ready_and_no_defect_of_ours(fresh_database: str) -> None:
    keeper = await asyncpg.connect(fresh_database)
    name = await keeper.fetchval("SELECT current_database()")
    await keeper.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await keeper.close()
    engines = create_engines(fresh_database)
    try:
        checks = {check.name: check for check in await PostgresHealth(engines.system).checks()}
        with pytest.raises(StoreUnavailable):
            async with transaction(engines.system) as opened:
                await opened.driver.execute("DELETE FROM idempotency_keys")
    finally:
        await engines.dispose()

    assert not checks["postgres"].ok
    assert not checks["postgres"].tolerable
    assert "only reads" in checks["postgres"].detail
