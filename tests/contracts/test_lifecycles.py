"""The fake and Postgres lock messages and write decided changes alike."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from messaging.application.ports.lifecycles import StaleChange
from messaging.domain.messages.message_state import MessageKey, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import ProviderError, ReceiptKind
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.projection import project
from messaging.domain.shared.ids import MessageId
from tests.builders import ACCOUNT, NOON, SENDER, TENANT, a_receipt, a_state
from tests.contracts.stores import LANE, MessageStore, accepted, starting, taken_up, unclear
from tests.seeding import a_new_message, lock_due

UNKNOWN = MessageKey(TENANT, MessageId(UUID("019df2d9-4c00-7000-8000-0000000000ee")))


def timeless(state: MessageState) -> MessageState:
    attempt = state.attempt and replace(state.attempt, started_at=None)
    return replace(state, now=NOON, attempt=attempt)


async def test_an_accepted_message_is_read_as_it_was_accepted(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message(expires_at=NOON.replace(year=2100))])

    async with store.open_uow() as uow:
        found = await uow.lifecycles.lock([key, UNKNOWN])

    assert found.keys() == {key}
    assert timeless(found[key]) == a_state(key=key, expires_at=NOON.replace(year=2100))
    assert (found[key].account_id, found[key].sender_id) == (ACCOUNT, SENDER)


async def test_every_change_leaves_the_message_where_the_core_projects_it(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim()
    report = a_receipt(provider_message_id=str(key.message_id))

    for decide in (starting, unclear, accepted, lambda at: lifecycle.receive(at, [(1, report)])):
        before = await store.state(key)
        change = decide(before)
        assert change is not None
        after = await store.move(key, decide)
        assert timeless(after) == timeless(project(before, change, now=NOON))
        assert after.now >= before.now

    assert (await store.state(key)).state is State.DELIVERED


async def test_a_start_is_dated_by_the_store(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim()
    before = await store.state(key)

    after = await store.move(key, starting)

    assert after.attempt is not None
    assert after.attempt.started_at is not None
    assert before.now <= after.attempt.started_at <= after.now


async def test_a_lease_is_live_until_it_has_run_out(store: MessageStore) -> None:
    live, ended = await store.accept([a_new_message(), a_new_message()])
    await store.claim(quota=1)
    await store.claim(quota=1, lease=timedelta(0))

    attempts = [(await store.state(key)).attempt for key in (live, ended)]

    assert [attempt and attempt.lease_live for attempt in attempts] == [True, False]
    assert [attempt and attempt.lease_owner for attempt in attempts] == ["w1", "w1"]


async def test_what_is_not_committed_has_not_happened(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])

    async with store.open_uow() as uow:
        await uow.lifecycles.apply([lifecycle.cancel((await uow.lifecycles.lock([key]))[key], by="key_1")])
        within = (await uow.lifecycles.lock([key]))[key]

    assert (within.state, (await store.state(key)).state) == (State.CANCELLED, State.QUEUED)


async def test_a_change_decided_on_an_old_state_is_refused_with_its_whole_set(store: MessageStore) -> None:
    key, other = await store.accept([a_new_message(), a_new_message()])
    old, fresh = await store.state(key), await store.state(other)
    await store.claim(quota=1)

    async with store.open_uow() as uow:
        await uow.lifecycles.lock([key, other])
        with pytest.raises(StaleChange):
            await uow.lifecycles.apply([lifecycle.cancel(it, by="key_1") for it in (fresh, old)])

    assert [(await store.state(it)).state for it in (key, other)] == [State.CLAIMED, State.QUEUED]


async def test_news_weaker_than_acceptance_does_not_undo_it(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim()
    await store.move(key, starting)
    report = a_receipt(ReceiptKind.DELIVERED)
    await store.move(key, lambda at: lifecycle.receive(at, [(1, report)]))

    found = await store.move(key, unclear)

    assert found.attempt is not None
    assert (found.state, found.attempt.outcome, found.attempt.phase) == (
        State.DELIVERED,
        Outcome.ACCEPTED,
        Phase.CLOSED,
    )
    assert found.attempt.provider_message_id == report.provider_message_id


async def test_a_late_acceptance_beside_another_is_kept_and_flagged(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim(lease=timedelta(0))
    await store.claim()
    await store.claim()
    await store.move(key, starting)
    assert not (await store.move(key, accepted)).possible_duplicate

    late = a_receipt(provider_message_id="wamid.other")
    found = await store.move(key, lambda at: lifecycle.receive(at, [(1, late)]))

    assert (found.state, found.epoch, found.possible_duplicate) == (State.DELIVERED, 2, True)


async def test_the_dead_can_be_sent_again(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim()
    error = ProviderError(code="unrenderable", reason="A variable is missing.")
    await store.move(key, lambda at: lifecycle.dead_letter(at, epoch=1, error=error))
    assert await store.claim() == []

    await store.move(key, lambda at: lifecycle.requeue(at, by="key_1"))

    assert await store.claim() == [key]


async def test_nothing_to_lock_and_nothing_to_apply_is_nothing(store: MessageStore) -> None:
    async with store.open_uow() as uow:
        await uow.lifecycles.apply([])

        assert await uow.lifecycles.lock([]) == {}


async def test_what_a_lock_waited_for_is_what_it_returns(store: MessageStore) -> None:
    """A claim commits while another waits for the lock: the waiter sees the claim and its attempt, not the past."""
    [key] = await store.accept([a_new_message()])

    async with store.open_uow() as first:
        due = await lock_due(first.due_messages, LANE)
        waiting = asyncio.create_task(store.state(key))
        await store.somebody_waits()
        assert not waiting.done()
        await first.lifecycles.apply(taken_up(due))
        await first.commit()

    found = await waiting
    assert found.state is State.CLAIMED
    assert found.attempt is not None
    assert found.now >= due[0].message.now
