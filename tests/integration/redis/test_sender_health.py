"""Does a process get on without Redis, and does what Redis forgets cost no more than learning it again?"""

import pytest
from redis.asyncio import Redis

from messaging.adapters.redis.sender_health import RedisHealthRecords
from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.ports.sender_health import HealthRecordsUnavailable
from messaging.domain.messages.retry import Scope, Unavailable
from messaging.entrypoints.composition.clock import SystemClock
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis
from tests.builders import SENDER, TENANT, a_snapshot, a_state
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import Counts

TOKEN_REFUSED = Unavailable(code="190", reason="token revoked", scope=Scope.CREDENTIAL)


def a_process(redis: Redis) -> CircuitBreakers:
    records = RedisHealthRecords(redis=redis)
    health = HealthCache(records=records, clock=SystemClock(), telemetry=Counts(), fresh_for=0)
    return CircuitBreakers(health=health, snapshots=InMemorySnapshots(a_snapshot()))


async def concurrency(breakers: CircuitBreakers) -> int | None:
    return (await breakers.admit({SENDER: TENANT}))[SENDER].concurrency


async def test_two_processes_hold_back_together_and_a_flush_lets_both_go(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as one, Redis.from_url(redis_url) as two:
        first, second = a_process(one), a_process(two)
        await first.record(a_state(), TOKEN_REFUSED, began_ago=0.01)
        held = [await concurrency(first), await concurrency(second)]
        await one.flushall()

        assert held == [0, 0]
        assert [await concurrency(first), await concurrency(second)] == [None, None]


async def test_who_was_held_stays_held_while_redis_is_away() -> None:
    async with EmbeddedRedis() as server, Redis.from_url(server.url) as redis:
        breakers = a_process(redis)
        for _ in range(2):
            await breakers.record(a_state(), TOKEN_REFUSED, began_ago=0.01)
        await server.kill()

        assert await concurrency(breakers) == 0


async def test_what_is_learnt_while_redis_is_away_holds_here() -> None:
    async with EmbeddedRedis() as server, Redis.from_url(server.url) as redis:
        await server.kill()
        breakers = a_process(redis)

        await breakers.record(a_state(), TOKEN_REFUSED, began_ago=0.01)

        assert await concurrency(breakers) == 0


async def test_a_redis_that_is_away_is_not_waited_for_every_time() -> None:
    async with EmbeddedRedis() as server, Redis.from_url(server.url) as redis:
        records = RedisHealthRecords(redis=redis)
        await server.kill()
        with pytest.raises(HealthRecordsUnavailable):
            await records.read([])

        # Within the rest after a failure nothing is even tried.
        await server.start()
        with pytest.raises(HealthRecordsUnavailable):
            await records.read([])
