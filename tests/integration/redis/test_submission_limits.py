"""Do submission limits hold across processes, without asking Redis for every request, and without Redis?"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic

import pytest
from redis.asyncio import Redis

from messaging.adapters.redis.submission_limits import RedisSubmissionQuotas
from messaging.application.ports.submission_limits import Taken, Wanted
from messaging.domain.tenants.limits import Policy, Quota


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as redis:
        yield redis


@pytest.fixture
async def processes(redis_url: str) -> AsyncIterator[Sequence[RedisSubmissionQuotas]]:
    """Two, as far as Redis can tell."""
    async with Redis.from_url(redis_url) as one, Redis.from_url(redis_url) as other:
        yield [RedisSubmissionQuotas(redis=one), RedisSubmissionQuotas(redis=other)]


def wanted(count: int, of: int, seconds: int = 60) -> list[Wanted]:
    return [Wanted(Policy("tenant", Quota(messages=of, seconds=seconds)), "northwind", count)]


async def granted(limits: RedisSubmissionQuotas, requests: int, of: int) -> int:
    """How many of so many concurrent requests of one message each are let through."""
    answers = await asyncio.gather(*(limits.take(wanted(1, of)) for _ in range(requests)))
    return sum(isinstance(answer, Taken) for answer in answers)


async def calls(redis: Redis) -> int:
    stats = await redis.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("evalsha", "eval"))


async def test_two_processes_never_grant_more_than_the_quota(processes: Sequence[RedisSubmissionQuotas]) -> None:
    both = await asyncio.gather(*(granted(limits, 800, of=1_000) for limits in processes))

    assert 1_000 - 1_000 // 50 <= sum(both) <= 1_000


async def test_redis_is_asked_once_for_a_portion_not_once_a_request(
    processes: Sequence[RedisSubmissionQuotas], redis: Redis
) -> None:
    before = await calls(redis)

    assert await granted(processes[0], 2_000, of=50_000) == 2_000
    assert await calls(redis) - before <= 3


async def test_who_is_refused_is_refused_from_memory(processes: Sequence[RedisSubmissionQuotas], redis: Redis) -> None:
    await granted(processes[0], 60, of=50)
    before = await calls(redis)

    assert await granted(processes[0], 500, of=50) == 0
    assert await calls(redis) == before


async def test_the_window_ends_and_another_begins(processes: Sequence[RedisSubmissionQuotas]) -> None:
    for limits in processes:
        await limits.take(wanted(2, of=4, seconds=1))
    refused = await processes[0].take(wanted(4, of=4, seconds=1))
    deadline = monotonic() + 60

    assert not isinstance(refused, Taken)
    while not isinstance(await processes[0].take(wanted(4, of=4, seconds=1)), Taken):
        assert monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_without_redis_every_process_grants_a_quarter() -> None:
    async with Redis.from_url("redis://127.0.0.1:1") as nowhere:
        limits = RedisSubmissionQuotas(redis=nowhere)

        assert await granted(limits, 100, of=100) == 25
        assert await granted(limits, 1, of=1_000_000) == 1


async def test_a_raised_limit_counts_at_once(processes: Sequence[RedisSubmissionQuotas]) -> None:
    assert await granted(processes[0], 20, of=10) == 10

    assert await granted(processes[0], 20, of=15) == 5


async def test_a_flushed_redis_begins_new_windows(processes: Sequence[RedisSubmissionQuotas], redis: Redis) -> None:
    assert await granted(processes[0], 20, of=10) == 10
    await redis.flushall()

    assert await granted(processes[1], 20, of=10) == 10
