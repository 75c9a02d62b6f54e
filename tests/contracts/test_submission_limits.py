"""Do the real submission limits and the fake leave the same?"""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from messaging.adapters.redis.submission_limits import RedisSubmissionQuotas
from messaging.application.ports.submission_limits import Exceeded, SubmissionQuotas, Taken, Wanted
from messaging.domain.tenants.limits import Policy, Quota
from tests.fakes.submission_limits import InMemorySubmissionLimits


@pytest.fixture(params=["in_memory", "redis"])
async def limits(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[SubmissionQuotas]:
    if request.param == "in_memory":
        yield InMemorySubmissionLimits()
        return
    async with Redis.from_url(redis_url) as redis:
        yield RedisSubmissionQuotas(redis=redis)


def some(count: int, of: int, *, name: str = "tenant", counter: str = "northwind", seconds: int = 60) -> Wanted:
    return Wanted(Policy(name, Quota(messages=of, seconds=seconds)), f"{counter}:{name}", count)


async def test_what_is_taken_is_missing_afterwards(limits: SubmissionQuotas) -> None:
    first = await limits.take([some(30, of=100)])
    second = await limits.take([some(50, of=100)])

    assert isinstance(first, Taken)
    assert isinstance(second, Taken)
    assert [first.balances[0].remaining, second.balances[0].remaining] == [70, 20]
    assert 59 < second.balances[0].resets_in <= 60


async def test_a_quota_can_be_used_up_to_the_last_message_and_not_beyond(limits: SubmissionQuotas) -> None:
    granted = [isinstance(await limits.take([some(1, of=70)]), Taken) for _ in range(75)]

    assert granted == [True] * 70 + [False] * 5


async def test_a_request_that_does_not_fit_takes_nothing_and_a_smaller_one_still_does(
    limits: SubmissionQuotas,
) -> None:
    await limits.take([some(6, of=10)])

    refused = await limits.take([some(5, of=10)])

    assert isinstance(refused, Exceeded)
    assert refused.by.remaining == 4
    assert isinstance(await limits.take([some(4, of=10)]), Taken)


async def test_a_request_larger_than_the_quota_is_refused_from_the_first(limits: SubmissionQuotas) -> None:
    assert isinstance(await limits.take([some(11, of=10)]), Exceeded)
    assert isinstance(await limits.take([some(10, of=10)]), Taken)


async def test_of_several_policies_all_grant_or_none_is_charged(limits: SubmissionQuotas) -> None:
    await limits.take([some(2, of=2, name="category-marketing")])

    refused = await limits.take([some(1, of=10), some(1, of=2, name="category-marketing")])
    alone = await limits.take([some(10, of=10)])

    assert isinstance(refused, Exceeded)
    assert refused.by.policy.name == "category-marketing"
    assert [it.remaining for it in refused.balances] == [10, 0]
    assert isinstance(alone, Taken)


async def test_of_several_exceeded_policies_the_one_that_takes_longest_is_named(limits: SubmissionQuotas) -> None:
    refused = await limits.take([some(2, of=1, seconds=10), some(2, of=1, name="key", seconds=60)])

    assert isinstance(refused, Exceeded)
    assert refused.by.policy.name == "key"


async def test_counters_do_not_share_a_quota(limits: SubmissionQuotas) -> None:
    await limits.take([some(10, of=10)])

    assert isinstance(await limits.take([some(10, of=10, counter="acme")]), Taken)


async def test_without_a_policy_nothing_is_counted(limits: SubmissionQuotas) -> None:
    assert await limits.take([]) == Taken(())
