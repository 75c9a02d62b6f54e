"""The fake and Postgres list live workers alike."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple

import pytest

from messaging.adapters.postgres.operations.workers import PostgresWorkers
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.workers import Workers, served
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from tests.fakes.workers import InMemoryWorkers

OTP = DeliverLane(channel=Channel.WHATSAPP, priority=Priority.CRITICAL)
BULK = DeliverLane(channel=Channel.WHATSAPP, priority=Priority.LOW)


class Listed(NamedTuple):
    """`fall_silent` makes a worker one that was last heard of so long ago."""

    workers: Workers
    fall_silent: Callable[[str, timedelta], Awaitable[None]]

    async def live(self) -> dict[str, bool]:
        return {worker.name: worker.is_live for worker in await self.workers.seen()}


@pytest.fixture(params=["in_memory", "postgres"])
async def listed(request: pytest.FixtureRequest, engines: Engines) -> Listed:
    if request.param == "in_memory":
        fake = InMemoryWorkers()

        async def fall_silent(name: str, age: timedelta) -> None:
            fake.fall_silent(name, age)

        return Listed(fake, fall_silent)

    async def made_silent(name: str, age: timedelta) -> None:
        async with transaction(engines.system) as opened:
            statement = "UPDATE workers SET seen_at = clock_timestamp() - $2::interval WHERE name = $1"
            await opened.driver.execute(statement, name, age)
            await opened.commit()

    return Listed(PostgresWorkers(engines.system), made_silent)


async def test_a_worker_is_seen_with_what_it_takes(listed: Listed) -> None:
    await listed.workers.tell("w1", [OTP, BULK], webhooks=True)

    [seen] = await listed.workers.seen()

    assert seen.lanes == {OTP, BULK}
    assert (seen.name, seen.webhooks, seen.is_live) == ("w1", True, True)
    assert seen.age >= 0


async def test_the_last_word_of_a_worker_counts_and_its_start_stays(listed: Listed) -> None:
    await listed.workers.tell("w1", [OTP], webhooks=True)
    [before] = await listed.workers.seen()

    await listed.workers.tell("w1", [BULK], webhooks=False)

    [after] = await listed.workers.seen()
    assert after.lanes == {BULK}
    assert (after.webhooks, after.started_at) == (False, before.started_at)


async def test_a_worker_that_left_is_not_missed(listed: Listed) -> None:
    await listed.workers.tell("w1", [OTP], webhooks=True)
    await listed.workers.tell("w2", [OTP], webhooks=True)

    await listed.workers.leave("w1")
    await listed.workers.leave("nobody")

    assert await listed.live() == {"w2": True}


async def test_workers_come_the_most_recently_seen_first_and_the_silent_are_told(listed: Listed) -> None:
    for name, silent in (("w1", 60), ("w2", 0), ("w3", 10)):
        await listed.workers.tell(name, [OTP], webhooks=False)
        await listed.fall_silent(name, timedelta(seconds=silent))

    assert list((await listed.live()).items()) == [("w2", True), ("w3", True), ("w1", False)]


async def test_what_was_last_seen_more_than_a_day_ago_is_forgotten(listed: Listed) -> None:
    await listed.workers.tell("w1", [OTP], webhooks=False)

    await listed.fall_silent("w1", timedelta(days=1, seconds=1))

    assert await listed.live() == {}


async def test_lanes_are_served_by_live_workers(listed: Listed) -> None:
    await listed.workers.tell("w1", [OTP], webhooks=False)
    await listed.workers.tell("w2", [BULK], webhooks=False)
    await listed.fall_silent("w1", timedelta(minutes=1))

    seen = await listed.workers.seen()

    assert served(seen) == {BULK}
    assert served([]) == set()
