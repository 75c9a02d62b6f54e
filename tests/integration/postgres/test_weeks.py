"""Is a week named only where all of a set lives in it, and where plans that are kept will be good ones?"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from messaging.adapters.postgres.messages.optimistic_writes import PostgresOptimisticWrites
from messaging.adapters.postgres.schema import weeks
from messaging.adapters.postgres.schema.weeks import ALL_WEEKS, Weeks
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import Driver, autocommit
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.retry import Sent
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.projection import project
from tests.integration.postgres.adding_weeks import an_id
from tests.seeding import a_new_message, accept, lock_due, seed_tenant

LANE = DeliverLane(channel=Channel.WHATSAPP, priority=Priority.DEFAULT)
LEASE = timedelta(seconds=30)
WEEK = timedelta(days=7)


# The tests before may have left statistics.
AS_NEVER_ANALYZED = """
UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relname ~ '^(messages|contents|attempts|events)_[0-9]{4}w[0-9]+$'
"""


@pytest.fixture(autouse=True)
async def owner(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database)
    await connection.execute(AS_NEVER_ANALYZED)
    yield connection
    await connection.execute(AS_NEVER_ANALYZED)
    await connection.close()


@pytest.fixture
async def driver(engines: Engines) -> AsyncIterator[Driver]:
    async with autocommit(engines.system) as driver:
        yield driver


async def week_of(driver: Driver, at: datetime) -> str:
    name: str = await driver.fetchval("SELECT partition_name('', date_trunc('week', $1::timestamptz, 'UTC'))", at)
    return name


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 22, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2026, 11, 23, tzinfo=UTC),
        # ISO weeks belong to the year of their Thursday.
        datetime(2026, 12, 31, 12, tzinfo=UTC),
        datetime(2027, 1, 3, 12, tzinfo=UTC),
        datetime(2027, 1, 4, tzinfo=UTC),
        datetime(2024, 12, 30, tzinfo=UTC),
    ],
)
async def test_a_week_is_named_as_the_server_names_it(driver: Driver, moment: datetime) -> None:
    assert weeks._suffix(weeks._number(an_id(moment).int >> 80)) == await week_of(driver, moment)


async def test_messages_of_one_week_live_in_its_tables(driver: Driver) -> None:
    now = datetime.now(UTC)

    this_week = await Weeks().of(driver, [an_id(now), an_id(now, 2)])

    assert this_week == await week_of(driver, now) != ALL_WEEKS


async def test_messages_of_two_weeks_live_in_the_whole_tables(driver: Driver) -> None:
    now = datetime.now(UTC)

    assert await Weeks().of(driver, [an_id(now), an_id(now + WEEK)]) == ALL_WEEKS


async def test_no_week_is_named_that_has_no_tables_or_may_be_dropped(driver: Driver) -> None:
    now, known = datetime.now(UTC), Weeks()

    assert await known.of(driver, [an_id(now + 52 * WEEK)]) == ALL_WEEKS
    assert await known.of(driver, [an_id(now - 6 * WEEK)]) == ALL_WEEKS
    # A webhook may name any id.
    assert await known.of(driver, [UUID(int=2**128 - 1)]) == ALL_WEEKS


async def test_no_week_is_named_whose_plans_would_be_made_for_a_handful_of_rows(
    driver: Driver, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    now = datetime.now(UTC)
    week = await week_of(driver, now)

    # Never analyzed, then analyzed while nearly empty.
    assert await Weeks().of(driver, [an_id(now)]) == week
    await owner.execute(f"ANALYZE events{week}")
    assert await Weeks().of(driver, [an_id(now)]) == ALL_WEEKS
    await owner.execute(f"UPDATE pg_class SET reltuples = 1000 WHERE relname = 'events{week}'")
    assert await Weeks().of(driver, [an_id(now)]) == week


async def test_what_is_known_of_a_week_is_asked_again_after_a_while(
    driver: Driver, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    now, lasting, fleeting = datetime.now(UTC), Weeks(), Weeks(fresh_for=0)
    week = await lasting.of(driver, [an_id(now)])
    assert await fleeting.of(driver, [an_id(now)]) == week
    await owner.execute(f"ANALYZE messages{week}")

    assert await lasting.of(driver, [an_id(now)]) == week
    assert await fleeting.of(driver, [an_id(now)]) == ALL_WEEKS


@pytest.mark.parametrize("apart", [timedelta(0), WEEK], ids=["of one week", "of two weeks"])
async def test_a_set_of_messages_goes_its_way_whatever_weeks_it_is_of(engines: Engines, apart: timedelta) -> None:
    await seed_tenant(engines)
    now = datetime.now(UTC)
    keys = await accept(engines, [a_new_message(id=an_id(now)), a_new_message(id=an_id(now + apart, 2))])
    open_uow, optimistic_writes = (
        PostgresSystemUnitOfWorkFactory(engines.system),
        PostgresOptimisticWrites(engines.system),
    )
    async with open_uow() as uow:
        due = await lock_due(uow.due_messages, LANE, quota=10)
        claims = [lifecycle.take_up(found.message, worker="w", lease=LEASE) for found in due]
        await uow.lifecycles.apply([claim for claim in claims if claim is not None])
        await uow.commit()
    claimed = [
        project(found.message, claim, now=found.message.now)
        for found, claim in zip(due, claims, strict=True)
        if claim is not None
    ]
    starts = [lifecycle.start(message, epoch=1, worker="w", lease=LEASE) for message in claimed]

    written = await optimistic_writes.write([start for start in starts if start is not None])

    assert written == set(keys)
    async with open_uow() as uow:
        messages = await uow.lifecycles.lock(keys)
        assert {message.state for message in messages.values()} == {State.SENDING}
        sent = Sent(provider_message_id="wamid.1")
        await uow.lifecycles.apply([lifecycle.conclude(messages[keys[0]], epoch=1, result=sent)])
        await uow.commit()
    async with open_uow() as uow:
        assert (await uow.lifecycles.lock(keys))[keys[0]].state is State.SUBMITTED
