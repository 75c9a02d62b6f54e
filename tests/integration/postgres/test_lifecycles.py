"""Do messages move in Postgres as the core decided, and in no other way?"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import asyncpg
import pytest

from messaging.adapters.postgres.messages.lifecycles import MessageStates, PostgresLifecycles
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.records import EventRow, MessageRow
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import DispatchKind, MessageKey, MessageState
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.messages.receipts import ProviderError, ReceiptKind
from messaging.domain.messages.retry import Rejected, Sent, Uncertain
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.shared.mode import Mode, TenantScope
from tests.builders import ACCOUNT, OTHER_TENANT, SENDER, TEMPLATE, TENANT, WAMID, a_receipt
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
FLOW = Flow(TENANT, SENDER, TEMPLATE)
THEIRS = {"tenant_id": OTHER_TENANT, "sender_id": OTHER_SENDER, "account_id": OTHER_ACCOUNT, "template_id": None}

Decide = Callable[[MessageState], Change | None]


@pytest.fixture(autouse=True)
async def _tenants(engines: Engines) -> None:
    await seed_tenant(engines)
    await seed_other_tenant(engines)


async def move(engines: Engines, key: MessageKey, decide: Decide) -> Change:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        change = decide((await uow.lifecycles.lock([key]))[key])
        assert change is not None
        await uow.lifecycles.apply([change])
        await uow.commit()
    return change


async def message(engines: Engines, key: MessageKey) -> MessageState:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        return (await uow.lifecycles.lock([key]))[key]


async def record(engines: Engines, key: MessageKey) -> tuple[MessageRow, Sequence[EventRow]]:
    async with PostgresUnitOfWorkFactory(engines.app)(key.tenant_id, Mode.LIVE) as uow:
        row = await uow.records.message(key.message_id)
        assert row is not None
        return row, await uow.records.events(key.message_id, after=0, limit=100)


async def claim(engines: Engines, *, quota: int = 10, lease: timedelta = LEASE) -> Sequence[MessageKey]:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        due = await lock_due(uow.due_messages, LANE, quota=quota)
        changes = [lifecycle.take_up(one.message, worker="w1", lease=lease) for one in due]
        await uow.lifecycles.apply([change for change in changes if change is not None])
        await uow.commit()
    return [one.message.key for one in due]


def starting(message: MessageState) -> Change | None:
    return lifecycle.start(message, epoch=message.epoch, worker="w1", lease=LEASE)


def sent(message: MessageState) -> Change:
    return conclude(message, epoch=message.epoch, result=Sent(provider_message_id=WAMID), latency_ms=12)


def received(kind: ReceiptKind) -> Decide:
    return lambda message: lifecycle.receive(message, [(1, a_receipt(kind))])


def uncertain(message: MessageState) -> Change:
    return conclude(message, epoch=message.epoch, result=Uncertain(reason="no answer"))


async def test_a_message_goes_all_the_way_to_read(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])

    assert await claim(engines) == [key]
    for decide in (starting, sent, *map(received, (ReceiptKind.SENT, ReceiptKind.DELIVERED, ReceiptKind.READ))):
        await move(engines, key, decide)

    row, events = await record(engines, key)
    assert (row.state, row.attempts, row.error_code) == (State.READ, 1, None)
    assert [(event.seq, event.type, event.state) for event in events] == [
        (1, "message.accepted", State.QUEUED),
        (2, "attempt.claimed", State.CLAIMED),
        (3, "attempt.started", State.SENDING),
        (4, "message.submitted", State.SUBMITTED),
        (5, "receipt.sent", State.SENT),
        (6, "receipt.delivered", State.DELIVERED),
        (7, "receipt.read", State.READ),
    ]
    assert events[3].detail["provider_message_id"] == WAMID
    assert await claim(engines) == []


async def test_a_due_scheduled_message_is_queued_and_claimed_in_one_go(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message(state=State.SCHEDULED)])

    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        work = await uow.dispatches.lanes_with_work([DispatchKind.DELIVER])
    await claim(engines)

    assert work == [LANE]
    _, events = await record(engines, key)
    assert [event.state for event in events] == [State.SCHEDULED, State.QUEUED, State.CLAIMED]


async def test_an_unclear_outcome_waits_and_then_stops_waiting(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])
    await claim(engines)
    await move(engines, key, starting)
    await move(engines, key, uncertain)
    async with transaction(engines.system) as opened:
        await opened.driver.execute("UPDATE dispatches SET due_at = now() - interval '1 second'")
        await opened.commit()

    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        work = await uow.dispatches.lanes_with_work(list(DispatchKind))
        [over] = await uow.awaited_messages.lock_waits_over(10)
        change = lifecycle.resolve_unknown(over)
        assert change is not None
        await uow.lifecycles.apply([change])
        await uow.commit()

    assert work == [DispatchKind.RESOLVE_UNKNOWN]
    assert (await message(engines, key)).state is State.UNCONFIRMED


async def test_the_dead_are_listed_and_rise_again(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])
    await claim(engines)
    error = ProviderError(code="unrenderable", reason="A variable is missing.")
    await move(engines, key, lambda at: lifecycle.dead_letter(at, epoch=1, error=error))

    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        [letter] = await uow.dead_letters.page(before=None, limit=10, open_only=True)
    await move(engines, key, lambda at: lifecycle.requeue(at, by="key_1"))

    assert (letter.message_id, letter.code, letter.resolved_at) == (key.message_id, "unrenderable", None)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        assert await uow.dead_letters.page(before=None, limit=10, open_only=True) == []
        resolved = await uow.dead_letters.find(key.message_id)
    assert resolved is not None
    assert resolved.resolution == "retried"
    assert await claim(engines) == [key]


async def test_a_discarded_letter_stays_dead_and_says_who_discarded_it(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])
    await claim(engines)
    error = ProviderError(code="unrenderable", reason="A variable is missing.")
    await move(engines, key, lambda at: lifecycle.dead_letter(at, epoch=1, error=error))

    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        first = await uow.dead_letters.discard([key.message_id], by="key_1", reason="obsolete")
        second = await uow.dead_letters.discard([key.message_id], by="key_1", reason="obsolete")
        await uow.commit()

    assert (first, second) == ({key.message_id}, set())
    row, events = await record(engines, key)
    assert row.state is State.DEAD
    assert (events[-1].type, events[-1].detail) == ("dead_letter.discarded", {"by": "key_1", "reason": "obsolete"})
    assert (await message(engines, key)).seq == events[-1].seq


async def test_a_refused_message_has_failed_with_the_providers_reason(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])
    await claim(engines)
    await move(engines, key, starting)

    await move(engines, key, lambda at: conclude(at, epoch=1, result=Rejected(code="131026", reason="Undeliverable")))

    row, _ = await record(engines, key)
    assert (row.state, row.error_code, row.error_reason) == (State.FAILED, "131026", "Undeliverable")


async def test_whatever_the_provider_says_can_be_written_down(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])
    await claim(engines)
    await move(engines, key, starting)

    nonsense = Rejected(code="1\0", reason="\0 \U0001f600 \\u0000")
    await move(engines, key, lambda at: conclude(at, epoch=1, result=nonsense))

    row, events = await record(engines, key)
    assert (row.error_code, row.error_reason) == ("1\ufffd", "\ufffd \U0001f600 \\u0000")
    assert events[-1].detail["code"] == "1\ufffd"


async def test_the_database_itself_refuses_an_impossible_move(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])

    with pytest.raises(asyncpg.CheckViolationError, match="may not move from queued to sending"):
        async with transaction(engines.system) as opened:
            await opened.driver.execute("UPDATE messages SET state = 'sending' WHERE id = $1", key.message_id)


async def test_the_database_itself_refuses_a_second_open_attempt(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])
    await claim(engines)

    with pytest.raises(asyncpg.UniqueViolationError):
        async with transaction(engines.system) as opened:
            await opened.driver.execute(
                "INSERT INTO attempts (tenant_id, message_id, account_id, epoch, lease_owner, lease_until, phase,"
                " possible_duplicate) VALUES ($1, $2, $3, 2, 'w2', now(), 'claimed', false)",
                *key,
                ACCOUNT,
            )


@pytest.mark.parametrize("statement", ["UPDATE events SET type = 'x'", "DELETE FROM events"])
async def test_the_timeline_cannot_be_rewritten_even_by_the_owner(
    engines: Engines, database: str, statement: str
) -> None:
    await accept(engines, [a_new_message()])
    owner = await asyncpg.connect(database)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(statement)

    await owner.close()


@pytest.mark.parametrize("column", ["recipient_hint = ''", "created_at = now()", "sender_id = id", "reference = 'x'"])
async def test_the_envelope_of_a_message_cannot_be_changed(engines: Engines, column: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(engines.system) as opened:
            await opened.driver.execute(f"UPDATE messages SET {column}")


async def test_locks_are_seen_through_a_tenants_own_transaction_only(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])

    async with transaction(engines.app, scope=TenantScope(OTHER_TENANT, Mode.LIVE)) as opened:
        seen = await PostgresLifecycles(opened.driver, MessageStates(opened.driver, None)).lock([key])

    assert seen == {}
