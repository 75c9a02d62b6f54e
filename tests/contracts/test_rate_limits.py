"""Do the real rate limits and the fake grant the same?"""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from messaging.adapters.redis.rate_limits import RedisRateLimits
from messaging.application.ports.rate_limits import Bucket, RateLimits
from tests.fakes.rate_limits import InMemoryRateLimits

FAST = Bucket(key="fast", interval=1 / 72, burst=8)
DEEP = Bucket(key="deep", interval=10.0, burst=8)
SLOW = Bucket(key="slow", interval=60.0, burst=1)
PAIR = Bucket(key="pair", interval=6.0, burst=3, window=6.0)


@pytest.fixture(params=["in_memory", "redis"])
async def limits(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[RateLimits]:
    if request.param == "in_memory":
        yield InMemoryRateLimits()
        return
    async with Redis.from_url(redis_url) as redis:
        # A Redis that has remembered for long.
        await redis.set("messaging:rate:since", 1)
        yield RedisRateLimits(redis=redis)


async def granted(limits: RateLimits, wanted: Sequence[Sequence[Bucket]]) -> list[bool]:
    return [verdict.denied_by is None for verdict in await limits.take(wanted)]


async def test_a_rested_bucket_grants_its_burst_and_then_tells_the_wait_for_one(limits: RateLimits) -> None:
    verdicts = await limits.take([[FAST]] * 9)

    assert [verdict.denied_by for verdict in verdicts] == [None] * 8 + [0]
    assert timedelta(0) < verdicts[8].wait <= timedelta(seconds=1 / 72)


async def test_what_is_granted_at_once_is_to_leave_one_after_the_other(limits: RateLimits) -> None:
    verdicts = await limits.take([[FAST]] * 4)

    waits = [round(verdict.wait.total_seconds() * 72, 2) for verdict in verdicts]
    assert waits == [0, 1, 2, 3]


async def test_each_bucket_goes_on_from_when_the_message_leaves(limits: RateLimits) -> None:
    quick = Bucket(key="quick", interval=1 / 1000, burst=500_000)
    await limits.take([[DEEP]] * 4)

    both, alone = await limits.take([[DEEP, quick], [quick]])

    # Of the four that went before, at most one has left meanwhile.
    assert timedelta(seconds=30) < both.wait <= timedelta(seconds=40)
    assert alone.wait - both.wait == pytest.approx(timedelta(milliseconds=1), abs=timedelta(microseconds=2))


async def test_a_bucket_is_calm_while_it_gives_away_a_fraction_of_what_it_could(limits: RateLimits) -> None:
    busy = Bucket(key="busy", interval=1 / 200, burst=100)

    verdicts = await limits.take([[busy]] * 100)
    [other] = await limits.take([[FAST, busy]])
    [unconcerned] = await limits.take([[FAST]])

    # A twentieth of a second's tokens at once, and the one that goes beyond.
    assert [verdict.calm for verdict in verdicts] == [True] * 11 + [False] * 89
    assert not other.calm
    assert unconcerned.calm


async def test_a_slow_bucket_always_grants_one(limits: RateLimits) -> None:
    assert await granted(limits, [[SLOW]] * 3) == [True, False, False]
    [again] = await limits.take([[SLOW]])

    assert again.denied_by == 0
    assert timedelta(0) < again.wait <= timedelta(seconds=60)


async def test_a_message_takes_from_all_its_buckets_or_from_none(limits: RateLimits) -> None:
    other = Bucket(key="other", interval=10.0, burst=1)

    verdicts = await limits.take([[SLOW], [DEEP, SLOW, other], [other, DEEP]])

    assert [verdict.denied_by for verdict in verdicts] == [None, 1, None]
    assert await granted(limits, [[DEEP]] * 8) == [True] * 7 + [False]


async def test_the_bucket_that_makes_it_wait_longest_is_named(limits: RateLimits) -> None:
    longest = Bucket(key="longest", interval=600.0, burst=1)
    await limits.take([[SLOW, longest]])

    [verdict] = await limits.take([[FAST, SLOW, longest]])

    assert verdict.denied_by == 2
    assert timedelta(seconds=60) < verdict.wait <= timedelta(seconds=600)


async def test_who_may_use_more_of_the_burst_finds_tokens_left_by_who_may_not(limits: RateLimits) -> None:
    modest = Bucket(key=DEEP.key, interval=DEEP.interval, burst=4)

    assert await granted(limits, [[modest]] * 5) == [True] * 4 + [False]
    assert await granted(limits, [[DEEP]] * 5) == [True] * 4 + [False]


async def test_a_pair_borrows_a_burst_and_then_waits_until_it_is_paid_for(limits: RateLimits) -> None:
    verdicts = await limits.take([[PAIR]] * 5)

    assert [verdict.denied_by for verdict in verdicts] == [None, None, None, 0, 0]
    assert timedelta(seconds=17) < verdicts[3].wait <= timedelta(seconds=18)
    assert verdicts[4].wait - verdicts[3].wait == timedelta(seconds=6)


async def test_nothing_asked_is_nothing_granted(limits: RateLimits) -> None:
    assert list(await limits.take([])) == []


async def test_without_limits_everything_is_granted(limits: RateLimits) -> None:
    assert await granted(limits, [[], []]) == [True, True]


DAY = Bucket(key="day", interval=86_400 / 3, burst=3, period=86_400.0)


async def test_a_period_has_so_many_messages_however_they_are_spread(limits: RateLimits) -> None:
    first = await limits.take([[DAY]] * 2)
    *_, denied = await limits.take([[DAY]] * 2)

    # They leave at once, and the count outlives the call.
    assert [verdict.wait for verdict in first] == [timedelta(0)] * 2
    assert denied.denied_by == 0
    # Until the part of the day in which the first one was counted is over a day ago.
    assert timedelta(hours=23) < denied.wait <= timedelta(hours=24, minutes=10)


async def test_a_period_that_is_used_up_takes_nothing_from_other_buckets(limits: RateLimits) -> None:
    await limits.take([[DAY]] * 3)

    assert await granted(limits, [[SLOW, DAY]]) == [False]
    assert await granted(limits, [[SLOW]]) == [True]


async def test_a_period_makes_nobody_wait_for_a_slot(limits: RateLimits) -> None:
    verdicts = await limits.take([[FAST, DAY]] * 2)

    assert [round(verdict.wait.total_seconds() * 72, 2) for verdict in verdicts] == [0, 1]
    assert all(verdict.calm for verdict in verdicts)


async def test_charged_tokens_are_taken_whether_they_are_there_or_not(limits: RateLimits) -> None:
    [first] = await limits.take([[DEEP]])

    await limits.charge(DEEP, 9)
    [denied] = await limits.take([[DEEP]])

    assert first.denied_by is None
    # Ten tokens are used, and the eleventh may be taken seven intervals ahead.
    assert denied.denied_by == 0
    assert timedelta(seconds=20) < denied.wait <= timedelta(seconds=30)


async def test_an_idle_bucket_is_charged_from_now(limits: RateLimits) -> None:
    await limits.charge(SLOW, 2)
    [denied] = await limits.take([[SLOW]])

    assert denied.denied_by == 0
    assert timedelta(seconds=110) < denied.wait <= timedelta(seconds=120)
