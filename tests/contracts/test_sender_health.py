"""Do the shared records of health and their fake keep the same things, for the same writers?"""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from messaging.adapters.redis.sender_health import RedisHealthRecords
from messaging.application.ports.sender_health import HealthChange, HealthRecords
from messaging.domain.messages.pacing.breaker import Breaker, BreakerState, Trouble
from messaging.domain.messages.pacing.pace import Pace
from messaging.domain.messages.pacing.sender_health import HEALTHY, Health, Subject
from messaging.domain.messages.retry import Scope
from tests.builders import ACCOUNT, SENDER
from tests.fakes.sender_health import InMemoryHealthRecords

US = Subject(Scope.SENDER, SENDER)
OUR_ACCOUNT = Subject(Scope.ACCOUNT, ACCOUNT)
OTHERS = Subject(Scope.SENDER, UUID("019df2d9-4c00-7000-8000-000000000022"))


@pytest.fixture(params=["in_memory", "redis"])
async def records(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[HealthRecords]:
    if request.param == "in_memory":
        yield InMemoryHealthRecords()
        return
    async with Redis.from_url(redis_url) as redis:
        yield RedisHealthRecords(redis=redis)


async def an_open_one(records: HealthRecords) -> Health:
    now = (await records.read([])).now
    return Health(
        breaker=Breaker(
            state=BreakerState.OPEN,
            since=now + 0.1,
            retry_at=now + 1.1,
            failures=5,
            openings=1,
            trouble=Trouble.UNAUTHORIZED,
            code="190",
            credentials="0f",
        ),
        pace=Pace(factor=0.5, ceiling=0.7, lowered_at=now, paused_until=now + 7.3),
    )


async def test_nobody_is_known_at_first(records: HealthRecords) -> None:
    sight = await records.read([US, OUR_ACCOUNT])

    assert sight.known == {}
    assert sight.now > 0


async def test_what_is_swapped_in_is_read_back_exactly(records: HealthRecords) -> None:
    stopped = await an_open_one(records)

    assert list(await records.swap([HealthChange(US, HEALTHY, stopped)])) == [True]
    assert (await records.read([OTHERS, US])).known == {US: stopped}


async def test_of_two_writers_who_saw_the_same_only_the_first_succeeds(records: HealthRecords) -> None:
    stopped = await an_open_one(records)
    probing = replace(stopped, breaker=replace(stopped.breaker, state=BreakerState.HALF_OPEN))
    await records.swap([HealthChange(US, HEALTHY, stopped)])

    first = await records.swap([HealthChange(US, stopped, probing)])
    second = await records.swap([HealthChange(US, stopped, probing)])

    assert (list(first), list(second)) == ([True], [False])


async def test_each_change_of_a_batch_stands_for_itself(records: HealthRecords) -> None:
    stopped = await an_open_one(records)
    await records.swap([HealthChange(US, HEALTHY, stopped)])

    swapped = await records.swap([HealthChange(US, HEALTHY, stopped), HealthChange(OTHERS, HEALTHY, stopped)])

    assert list(swapped) == [False, True]


async def test_who_has_recovered_can_be_stopped_again(records: HealthRecords) -> None:
    stopped = await an_open_one(records)
    await records.swap([HealthChange(US, HEALTHY, stopped)])
    await records.swap([HealthChange(US, stopped, HEALTHY)])

    assert (await records.read([US])).known.get(US, HEALTHY) == HEALTHY
    assert list(await records.swap([HealthChange(US, HEALTHY, stopped)])) == [True]
