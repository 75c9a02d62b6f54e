"""Is the pace kept across processes and through Redis's absences?"""

import asyncio
from datetime import timedelta
from time import monotonic

from redis.asyncio import Redis

from messaging.adapters.redis.rate_limits import RedisRateLimits
from messaging.entrypoints.dev.redis import EmbeddedRedis
from tests.builders import SENDER

RATE = 200.0


async def test_two_processes_together_stay_below_the_limit_and_near_the_share(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as one, Redis.from_url(redis_url) as two:
        began = monotonic()
        granted = await asyncio.gather(
            *(_spend(RedisRateLimits(redis=redis), until=began + 1.0) for redis in (one, two)),
        )
        took = monotonic() - began

    total = sum(granted)
    assert total <= RATE * took
    assert total >= 0.8 * 0.9 * RATE
    assert all(share > 0 for share in granted)


async def _spend(limits: RedisRateLimits, *, until: float) -> int:
    granted = 0
    while monotonic() < until:
        allowance = (await limits.take([(SENDER, 50, RATE)]))[SENDER]
        granted += allowance.granted
        await asyncio.sleep(allowance.retry_after.total_seconds())
    return granted


async def test_without_redis_a_process_keeps_to_a_fraction_of_the_share() -> None:
    async with EmbeddedRedis() as server, Redis.from_url(server.url) as redis:
        limits = RedisRateLimits(redis=redis)
        await server.kill()

        allowed = (await limits.take([(SENDER, 100, 80.0)]))[SENDER]
        again = (await limits.take([(SENDER, 100, 80.0)]))[SENDER]

        assert allowed.granted == 2
        assert again.granted == 0
        assert timedelta(0) < again.retry_after <= timedelta(seconds=4 / 72)


async def test_a_pause_holds_while_redis_is_away_and_redis_is_asked_again_later() -> None:
    async with EmbeddedRedis() as server, Redis.from_url(server.url) as redis:
        limits = RedisRateLimits(redis=redis)
        await limits.slow_down(SENDER, timedelta(seconds=20))
        await server.kill()

        paused = (await limits.take([(SENDER, 1, 80.0)]))[SENDER]
        await server.start()
        await redis.flushall()
        granted = await _until_granted(limits, count=8)

        assert paused.granted == 0
        assert paused.retry_after > timedelta(seconds=10)
        assert granted == 8


async def _until_granted(limits: RedisRateLimits, *, count: int) -> int:
    """Redis's budget is 8 at once, the local one 2 and paused: the 8 can only come from Redis."""
    deadline = monotonic() + 10
    while monotonic() < deadline:
        granted = (await limits.take([(SENDER, count, 80.0)]))[SENDER].granted
        if granted:
            return granted
        await asyncio.sleep(0.05)
    return 0
