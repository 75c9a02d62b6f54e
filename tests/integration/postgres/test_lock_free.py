"""Are changes written without locks whole, only where nothing has happened meanwhile, and as if under lock?"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.engine import Engines
from messaging.adapters.postgres.lock_free import PostgresLockFree
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.jobs import DeliverLane
from messaging.application.ports.callbacks import ParkedReceipt
from messaging.domain.messages import lifecycle
from messaging.domain.messages.aftermath import stands_after
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import Priority
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import Rejected, Sent, Unavailable, Uncertain
from messaging.domain.messages.standing import MessageKey, Standing
from messaging.domain.messages.state import State
from messaging.domain.shared.address import Channel
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, TENANT, a_receipt
from tests.seeding import (
    OTHER_ACCOUNT,
    OTHER_SENDER,
    a_new_message,
    accept,
    lock_due,
    seed_other_tenant,
    seed_tenant,
)

LANE = DeliverLane(channel=Channel.WHATSAPP, priority=Priority.DEFAULT)
LEASE = timedelta(seconds=30)
THEIRS = {"tenant_id": OTHER_TENANT, "sender_id": OTHER_SENDER, "account_id": OTHER_ACCOUNT, "template_id": None}

RESULTS = [
    Sent(provider_message_id="wamid.1"),
    Rejected(code="131026", reason="Undeliverable."),
    Unavailable(code="131016", reason="Overloaded."),
    Uncertain(reason="The connection broke."),
]


@pytest.fixture(autouse=True)
async def _tenants(engines: Engines) -> None:
    await seed_tenant(engines)
    await seed_other_tenant(engines)


@pytest.fixture
def lock_free(engines: Engines) -> PostgresLockFree:
    return PostgresLockFree(engines.system)


async def claimed(engines: Engines, number: int) -> list[Standing]:
    """Where the claims of new messages left them."""
    await accept(engines, [a_new_message() for _ in range(number)])
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        due = await lock_due(uow.lifecycles, LANE, quota=number)
        changes = [lifecycle.take_up(one.standing, worker="w1", lease=LEASE) for one in due]
        decided = [(one.standing, change) for one, change in zip(due, changes, strict=True) if change is not None]
        await uow.lifecycles.apply([change for _, change in decided])
        await uow.commit()
    return [stands_after(standing, change, now=standing.now) for standing, change in decided]


async def under_lock(engines: Engines, *keys: MessageKey) -> list[Standing]:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        found = await uow.lifecycles.lock(keys)
    return [found[key] for key in keys]


async def move(engines: Engines, key: MessageKey, decide: Callable[[Standing], Change | None]) -> Standing:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        change = decide((await uow.lifecycles.lock([key]))[key])
        assert change is not None
        await uow.lifecycles.apply([change])
        await uow.commit()
    return (await under_lock(engines, key))[0]


def starting(standing: Standing) -> Change:
    change = lifecycle.start(standing, epoch=standing.epoch, worker="w1", lease=LEASE)
    assert change is not None
    return change


async def rows(database: str, key: MessageKey) -> Sequence[asyncpg.Record]:
    """All that is written of a message, but clock readings."""
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetch(
            """
            SELECT 'message', state, seq::text, epoch::text, NULL FROM messages WHERE id = $1
            UNION ALL SELECT 'event', type, seq::text, state, detail::text FROM events WHERE message_id = $1
            UNION ALL SELECT 'attempt', phase, outcome, provider_message_id, error_code FROM attempts
                WHERE message_id = $1
            UNION ALL SELECT 'dispatch', kind, NULL, NULL, NULL FROM dispatches WHERE subject_id = $1
            ORDER BY 1, 3, 2
            """,
            key.message_id,
        )
    finally:
        await connection.close()


def timeless(standing: Standing) -> Standing:
    attempt = None if standing.attempt is None else replace(standing.attempt, started_at=None)
    return replace(standing, now=NOON, attempt=attempt)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
async def test_what_is_written_is_what_would_be_under_lock(
    engines: Engines, database: str, lock_free: PostgresLockFree, result: Sent | Rejected | Unavailable | Uncertain
) -> None:
    free, locked = await claimed(engines, 2)

    start = starting(free)
    assert await lock_free.write([start]) == {free.key}
    started = stands_after(free, start, now=free.now)
    end = lifecycle.conclude(started, epoch=1, result=result, latency_ms=7)
    assert await lock_free.write([end]) == {free.key}

    await move(engines, locked.key, starting)
    await move(engines, locked.key, lambda at: lifecycle.conclude(at, epoch=1, result=result, latency_ms=7))
    written, expected = await rows(database, free.key), await rows(database, locked.key)
    # How long until the next try is chance.
    assert [row[:4] for row in written] == [row[:4] for row in expected]
    [now] = await under_lock(engines, free.key)
    assert timeless(stands_after(started, end, now=NOON)) == timeless(now)


async def test_a_message_that_has_moved_is_left_out_wholly_and_its_neighbours_are_written(
    engines: Engines, database: str, lock_free: PostgresLockFree
) -> None:
    first, moved, last = await claimed(engines, 3)
    await move(engines, moved.key, starting)
    before = await rows(database, moved.key)

    written = await lock_free.write([starting(standing) for standing in (first, moved, last)])

    assert written == {first.key, last.key}
    assert await rows(database, moved.key) == before
    states = [standing.state for standing in await under_lock(engines, first.key, moved.key, last.key)]
    assert states == [State.SENDING] * 3


async def test_of_two_who_decided_on_the_same_standing_one_is_written(
    engines: Engines, lock_free: PostgresLockFree
) -> None:
    [standing] = await claimed(engines, 1)
    release = lifecycle.release(standing, epoch=1, reason="draining", due_at=standing.now)
    assert release is not None

    assert await lock_free.write([starting(standing)]) == {standing.key}
    assert await lock_free.write([release]) == frozenset()

    [now] = await under_lock(engines, standing.key)
    assert now.state is State.SENDING


async def test_nothing_is_stamped_without_its_attempt(
    engines: Engines, database: str, lock_free: PostgresLockFree
) -> None:
    """Its row may be lost with a restored backup: then a request would leave unrecorded."""
    [standing] = await claimed(engines, 1)
    connection = await asyncpg.connect(database)
    await connection.execute("DELETE FROM attempts")
    await connection.close()

    assert await lock_free.write([starting(standing)]) == frozenset()

    [now] = await under_lock(engines, standing.key)
    assert now.state is State.CLAIMED


async def test_messages_of_several_tenants_are_written_together(engines: Engines, lock_free: PostgresLockFree) -> None:
    await accept(engines, [a_new_message(**THEIRS)])
    [ours] = await claimed(engines, 1)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        [theirs] = await lock_due(uow.lifecycles, LANE, sender=OTHER_SENDER)
    take_up = lifecycle.take_up(theirs.standing, worker="w1", lease=LEASE)
    assert take_up is not None

    assert await lock_free.write([starting(ours), take_up]) == {ours.key, theirs.standing.key}


async def test_what_takes_more_than_one_statement_is_left_to_others(
    engines: Engines, lock_free: PostgresLockFree
) -> None:
    dead, again = await claimed(engines, 2)
    letter = lifecycle.bury(dead, epoch=1, error=ProviderError(code="unreadable", reason="x"))
    assert letter is not None
    await move(engines, again.key, lambda at: lifecycle.release(at, epoch=1, reason="x", due_at=at.now))
    second = await move(engines, again.key, lambda at: lifecycle.take_up(at, worker="w1", lease=LEASE))

    assert await lock_free.write([letter, starting(second)]) == frozenset()


async def test_parked_receipts_are_found_by_the_providers_id(engines: Engines, lock_free: PostgresLockFree) -> None:
    receipt = a_receipt(provider_message_id="wamid.early")
    parked = ParkedReceipt(tenant_id=TENANT, account_id=ACCOUNT, receipt=receipt, parked_at=NOON, tries=0)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        await uow.callbacks.park([parked])
        await uow.commit()

    assert await lock_free.any_parked([(ACCOUNT, "wamid.late"), (ACCOUNT, "wamid.early")])
    assert not await lock_free.any_parked([(ACCOUNT, "wamid.late"), (OTHER_ACCOUNT, "wamid.early")])


async def test_a_change_of_a_message_under_lock_waits_and_is_left_out_if_it_moves(
    engines: Engines, lock_free: PostgresLockFree
) -> None:
    [standing] = await claimed(engines, 1)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.lifecycles.lock([standing.key])
        await uow.lifecycles.apply([starting(standing)])
        writing = asyncio.create_task(lock_free.write([starting(standing)]))
        await asyncio.wait({writing}, timeout=0.2)
        assert not writing.done()
        await uow.commit()

    assert await writing == frozenset()
