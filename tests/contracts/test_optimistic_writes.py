"""The fake and Postgres write changes of messages that nobody holds locked alike."""

import asyncio

from messaging.application.ports.parked_receipts import ParkedReceipt
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from tests.builders import ACCOUNT, NOON, TENANT, a_receipt
from tests.contracts.stores import LEASE, MessageStore, starting
from tests.seeding import OTHER_ACCOUNT, a_new_message


async def claimed(store: MessageStore, number: int) -> list[MessageState]:
    """Where the claims of new messages left them."""
    keys = await store.accept([a_new_message() for _ in range(number)])
    await store.claim(quota=number)
    return [await store.state(key) for key in keys]


def started(state: MessageState) -> Change:
    change = starting(state)
    assert change is not None
    return change


async def states(store: MessageStore, *of: MessageState) -> list[State]:
    return [(await store.state(state.key)).state for state in of]


async def test_a_written_change_is_there_for_everybody(store: MessageStore) -> None:
    [state] = await claimed(store, 1)

    assert await store.writes.write([started(state)]) == {state.key}

    assert await states(store, state) == [State.SENDING]
    assert await store.writes.write([]) == frozenset()


async def test_a_message_that_has_moved_is_left_out_and_its_neighbours_are_written(store: MessageStore) -> None:
    first, moved, last = await claimed(store, 3)
    await store.move(moved.key, lambda at: lifecycle.release(at, epoch=1, reason="draining", due_at=at.now))

    written = await store.writes.write([started(state) for state in (first, moved, last)])

    assert written == {first.key, last.key}
    assert await states(store, first, moved, last) == [State.SENDING, State.QUEUED, State.SENDING]


async def test_of_two_who_decided_on_the_same_state_one_is_written(store: MessageStore) -> None:
    [state] = await claimed(store, 1)
    release = lifecycle.release(state, epoch=1, reason="draining", due_at=state.now)
    assert release is not None

    assert await store.writes.write([started(state)]) == {state.key}
    assert await store.writes.write([release]) == frozenset()

    assert await states(store, state) == [State.SENDING]


async def test_deaths_and_second_attempts_are_left_to_others(store: MessageStore) -> None:
    dead, again = await claimed(store, 2)
    letter = lifecycle.dead_letter(dead, epoch=1, error=ProviderError(code="unreadable", reason="x"))
    assert letter is not None
    await store.move(again.key, lambda at: lifecycle.release(at, epoch=1, reason="x", due_at=at.now))
    second = await store.move(again.key, lambda at: lifecycle.take_up(at, worker="w1", lease=LEASE))

    assert await store.writes.write([letter, started(second)]) == frozenset()

    assert await states(store, dead, again) == [State.CLAIMED, State.CLAIMED]


async def test_a_change_of_a_message_under_lock_waits_and_is_left_out_if_it_moves(store: MessageStore) -> None:
    [state] = await claimed(store, 1)

    async with store.open_uow() as uow:
        locked = (await uow.lifecycles.lock([state.key]))[state.key]
        await uow.lifecycles.apply([started(locked)])
        writing = asyncio.create_task(store.writes.write([started(state)]))
        await store.somebody_waits()
        assert not writing.done()
        await uow.commit()

    assert await writing == frozenset()


async def test_parked_receipts_are_found_by_the_providers_id(store: MessageStore) -> None:
    receipt = a_receipt(provider_message_id="wamid.early")
    parked = ParkedReceipt(tenant_id=TENANT, account_id=ACCOUNT, receipt=receipt, parked_at=NOON, tries=0)
    async with store.open_uow() as uow:
        await uow.parked_receipts.park([parked])
        await uow.commit()

    assert await store.writes.any_parked([(ACCOUNT, "wamid.late"), (ACCOUNT, "wamid.early")])
    assert not await store.writes.any_parked([(ACCOUNT, "wamid.late"), (OTHER_ACCOUNT, "wamid.early")])
