"""Do the real rate limits and the fake grant the same?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis

from messaging.adapters.redis.rate_limits import RedisRateLimits
from messaging.application.ports.rate_limits import RateLimits
from messaging.domain.shared.ids import SenderId
from tests.builders import SENDER
from tests.fakes.rate_limits import InMemoryRateLimits

OTHER = SenderId(UUID("019df2d9-4c00-7000-8000-000000000022"))


@pytest.fixture(params=["in_memory", "redis"])
async def limits(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[RateLimits]:
    if request.param == "in_memory":
        yield InMemoryRateLimits()
        return
    async with Redis.from_url(redis_url) as redis:
        yield RedisRateLimits(redis=redis)


async def test_a_rested_sender_may_send_what_its_limit_leaves_above_the_share(limits: RateLimits) -> None:
    allowed = await limits.take([(SENDER, 100, 80.0)])

    assert allowed[SENDER].granted == 8
    assert timedelta(0) < allowed[SENDER].retry_after <= timedelta(seconds=1 / 72)


async def test_a_slow_sender_may_always_send_one(limits: RateLimits) -> None:
    first = await limits.take([(SENDER, 3, 1.0)])
    second = await limits.take([(SENDER, 3, 1.0)])

    assert first[SENDER].granted == 1
    assert second[SENDER].granted == 0
    assert timedelta(0) < second[SENDER].retry_after <= timedelta(seconds=1.2)


async def test_what_fits_is_granted_without_a_wait(limits: RateLimits) -> None:
    allowed = await limits.take([(SENDER, 5, 80.0)])

    assert allowed[SENDER].granted == 5
    assert allowed[SENDER].retry_after == timedelta(0)


async def test_senders_have_budgets_of_their_own(limits: RateLimits) -> None:
    await limits.take([(SENDER, 100, 1.0)])

    allowed = await limits.take([(SENDER, 1, 1.0), (OTHER, 1, 1.0)])

    assert allowed[SENDER].granted == 0
    assert allowed[OTHER].granted == 1


async def test_a_throttled_sender_gets_nothing_until_its_pause_is_over(limits: RateLimits) -> None:
    await limits.slow_down(SENDER, timedelta(seconds=30))
    await limits.slow_down(SENDER, timedelta(seconds=5))

    allowed = await limits.take([(SENDER, 1, 80.0), (OTHER, 1, 80.0)])

    assert allowed[SENDER].granted == 0
    assert timedelta(seconds=25) < allowed[SENDER].retry_after <= timedelta(seconds=30)
    assert allowed[OTHER].granted == 1


async def test_nothing_asked_is_nothing_granted(limits: RateLimits) -> None:
    assert await limits.take([]) == {}
