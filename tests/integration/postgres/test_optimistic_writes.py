"""Are changes written without locks whole, only where nothing has happened meanwhile, and as if under lock?"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.messages.optimistic_writes import PostgresOptimisticWrites
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.retry import Rejected, Sent, Unavailable, Uncertain
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.projection import project
from tests.builders import NOON, OTHER_TENANT
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
def optimistic_writes(engines: Engines) -> PostgresOptimisticWrites:
    return PostgresOptimisticWrites(engines.system)


async def claimed(engines: Engines, number: int) -> list[MessageState]:
    """Where the claims of new messages left them."""
    await accept(engines, [a_new_message() for _ in range(number)])
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        due = await lock_due(uow.due_messages, LANE, quota=number)
        changes = [lifecycle.take_up(one.message, worker="w1", lease=LEASE) for one in due]
        decided = [(one.message, change) for one, change in zip(due, changes, strict=True) if change is not None]
        await uow.lifecycles.apply([change for _, change in decided])
        await uow.commit()
    return [project(message, change, now=message.now) for message, change in decided]


async def under_lock(engines: Engines, *keys: MessageKey) -> list[MessageState]:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        found = await uow.lifecycles.lock(keys)
    return [found[key] for key in keys]


async def move(engines: Engines, key: MessageKey, decide: Callable[[MessageState], Change | None]) -> MessageState:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        change = decide((await uow.lifecycles.lock([key]))[key])
        assert change is not None
        await uow.lifecycles.apply([change])
        await uow.commit()
    return (await under_lock(engines, key))[0]


def starting(message: MessageState) -> Change:
    change = lifecycle.start(message, epoch=message.epoch, worker="w1", lease=LEASE)
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


def timeless(message: MessageState) -> MessageState:
    attempt = None if message.attempt is None else replace(message.attempt, started_at=None)
    return replace(message, now=NOON, attempt=attempt)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
async def test_what_is_written_is_what_would_be_under_lock(
    engines: Engines,
    database: str,
    optimistic_writes: PostgresOptimisticWrites,
    result: Sent | Rejected | Unavailable | Uncertain,
) -> None:
    free, locked = await claimed(engines, 2)

    start = starting(free)
    assert await optimistic_writes.write([start]) == {free.key}
    started = project(free, start, now=free.now)
    end = lifecycle.conclude(started, epoch=1, result=result, latency_ms=7)
    assert await optimistic_writes.write([end]) == {free.key}

    await move(engines, locked.key, starting)
    await move(engines, locked.key, lambda at: lifecycle.conclude(at, epoch=1, result=result, latency_ms=7))
    written, expected = await rows(database, free.key), await rows(database, locked.key)
    # How long until the next try is chance.
    assert [row[:4] for row in written] == [row[:4] for row in expected]
    [now] = await under_lock(engines, free.key)
    assert timeless(project(started, end, now=NOON)) == timeless(now)


async def test_a_message_that_has_moved_is_left_out_wholly_and_its_neighbours_are_written(
    engines: Engines, database: str, optimistic_writes: PostgresOptimisticWrites
) -> None:
    first, moved, last = await claimed(engines, 3)
    await move(engines, moved.key, starting)
    before = await rows(database, moved.key)

    written = await optimistic_writes.write([starting(message) for message in (first, moved, last)])

    assert written == {first.key, last.key}
    assert await rows(database, moved.key) == before
    states = [message.state for message in await under_lock(engines, first.key, moved.key, last.key)]
    assert states == [State.SENDING] * 3


async def test_nothing_is_stamped_without_its_attempt(
    engines: Engines, database: str, optimistic_writes: PostgresOptimisticWrites
) -> None:
    """Its row may be lost with a restored backup: then a request would leave unrecorded."""
    [message] = await claimed(engines, 1)
    connection = await asyncpg.connect(database)
    await connection.execute("DELETE FROM attempts")
    await connection.close()

    assert await optimistic_writes.write([starting(message)]) == frozenset()

    [now] = await under_lock(engines, message.key)
    assert now.state is State.CLAIMED


async def test_messages_of_several_tenants_are_written_together(
    engines: Engines, optimistic_writes: PostgresOptimisticWrites
) -> None:
    await accept(engines, [a_new_message(**THEIRS)])
    [ours] = await claimed(engines, 1)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        [theirs] = await lock_due(uow.due_messages, LANE, sender=OTHER_SENDER)
    take_up = lifecycle.take_up(theirs.message, worker="w1", lease=LEASE)
    assert take_up is not None

    assert await optimistic_writes.write([starting(ours), take_up]) == {ours.key, theirs.message.key}
