"""Is the pace kept across processes and through Redis's absences?"""

import asyncio
from datetime import timedelta
from time import monotonic

from redis.asyncio import Redis

from messaging.adapters.redis.rate_limits import RedisRateLimits
from messaging.application.ports.rate_limits import Bucket
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis

LIMIT = 200.0
BUCKET = Bucket(key="sender", interval=1 / (0.9 * LIMIT), burst=20)
FAST = Bucket(key="fast", interval=1 / 72, burst=8)
SLOW = Bucket(key="slow", interval=30.0, burst=3)
PAIR = Bucket(key="pair", interval=6.0, burst=45, window=6.0)


async def test_two_processes_together_stay_below_the_limit_and_near_the_share(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as one, Redis.from_url(redis_url) as two:
        began = monotonic()
        granted = await asyncio.gather(
            *(_spend(RedisRateLimits(redis=redis), until=began + 1.0) for redis in (one, two)),
        )
        took = monotonic() - began

    assert sum(granted) <= LIMIT * took
    assert all(share > 0 for share in granted)


async def _spend(limits: RedisRateLimits, *, until: float) -> int:
    granted = 0
    while monotonic() < until:
        verdicts = await limits.take([[BUCKET]] * 50)
        granted += sum(verdict.denied_by is None for verdict in verdicts)
        wait = min(verdict.wait.total_seconds() for verdict in verdicts if verdict.denied_by is not None)
        # However long the machine takes to ask again: nobody is told to wait longer than the share asks for.
        assert wait <= BUCKET.interval + 0.001
        await asyncio.sleep(wait)
    return granted


async def _count(limits: RedisRateLimits, bucket: Bucket, wanted: int = 100) -> int:
    return sum(verdict.denied_by is None for verdict in await limits.take([[bucket]] * wanted))


async def test_after_a_flush_buckets_begin_empty_and_fill_at_their_pace(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        limits = RedisRateLimits(redis=redis)
        await redis.set("messaging:rate:since", 1)
        before = await _count(limits, SLOW)
        await redis.flushall()

        after = await limits.take([[SLOW]])

    assert before == 3
    assert after[0].denied_by == 0
    assert timedelta(0) < after[0].wait <= timedelta(seconds=30)


async def test_after_a_flush_a_pair_may_borrow_a_fifth_of_its_burst(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        assert await _count(RedisRateLimits(redis=redis), PAIR) == 9


async def test_without_redis_a_process_keeps_to_a_fraction_of_the_limit() -> None:
    async with EmbeddedRedis() as server, Redis.from_url(server.url) as redis:
        limits = RedisRateLimits(redis=redis)
        await server.kill()

        assert await _count(limits, FAST) == 2
        assert await _count(limits, PAIR) == 1
        [again] = await limits.take([[FAST]])

    assert again.denied_by == 0
    assert timedelta(0) < again.wait <= timedelta(seconds=4 / 72)


async def test_without_redis_what_a_process_grants_is_to_leave_at_a_fraction_of_the_pace() -> None:
    async with EmbeddedRedis() as server, Redis.from_url(server.url) as redis:
        limits = RedisRateLimits(redis=redis)
        await server.kill()

        first, second = await limits.take([[FAST]] * 2)

    assert first.wait == timedelta(0)
    assert second.wait == timedelta(seconds=4 / 72)


async def test_redis_is_asked_again_once_it_is_back() -> None:
    async with EmbeddedRedis() as server, Redis.from_url(server.url) as redis:
        limits = RedisRateLimits(redis=redis)
        await server.kill()
        alone = await _count(limits, FAST)
        await server.start()
        await redis.set("messaging:rate:since", 1)

        assert alone == 2
        assert await _until_redis_grants(limits) == 8


async def _until_redis_grants(limits: RedisRateLimits) -> int:
    """Redis's budget is 8 at once, the local one 2: the 8 can only come from Redis."""
    deadline = monotonic() + 60
    while monotonic() < deadline:
        if (granted := await _count(limits, FAST, 8)) > 2:
            return granted
        await asyncio.sleep(0.05)
    return 0
