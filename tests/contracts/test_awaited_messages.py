"""The fake and Postgres tell alike whose news are overdue, and what was heard of their senders meanwhile."""

from collections.abc import Sequence
from datetime import timedelta

from messaging.domain.messages.message_state import DispatchKind, MessageKey, MessageState
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.transitions import lifecycle
from tests.builders import SENDER, a_receipt
from tests.contracts.stores import MessageStore, accepted, starting
from tests.seeding import a_new_message


async def reported(store: MessageStore, count: int, *, heard: bool = True) -> Sequence[MessageKey]:
    """Later messages of the same sender, each sent and, if `heard`, reported on a second later."""
    keys = await store.accept([a_new_message() for _ in range(count)])
    await store.claim(quota=count)
    for key in keys:
        await store.move(key, starting)
        await store.move(key, accepted)
        if heard:
            await store.move(key, lambda at: lifecycle.receive(at, [(1, report(at))]))
    return keys


def report(state: MessageState) -> Receipt:
    heard_at = state.now + timedelta(seconds=1)
    return a_receipt(provider_message_id=str(state.key.message_id), occurred_at=heard_at)


async def locked(store: MessageStore, key: MessageKey) -> bool:
    """Whether the message's wait is over for somebody else."""
    async with store.open_uow() as uow:
        return key in {state.key for state in await uow.awaited_messages.lock_waits_over(10)}


async def test_waits_that_are_over_are_locked_once(store: MessageStore) -> None:
    key = await store.unclear(a_new_message())
    await reported(store, 1, heard=False)

    async with store.open_uow() as uow:
        over = await uow.awaited_messages.lock_waits_over(10)
        assert not await locked(store, key)
        assert list(await uow.awaited_messages.lock_for_polling(10)) == []

    assert [state.key for state in over] == [key]
    assert await locked(store, key)


async def test_the_payloads_of_messages_are_read_by_their_keys(store: MessageStore) -> None:
    first, second, _ = await store.accept([a_new_message() for _ in range(3)])

    async with store.open_uow() as uow:
        assert await uow.awaited_messages.sealed([first, second]) == {first: b"sealed", second: b"sealed"}
        assert await uow.awaited_messages.sealed([]) == {}


async def test_a_message_is_silent_once_its_check_is_due(store: MessageStore) -> None:
    soon, later = await reported(store, 2, heard=False)
    async with store.open_uow() as uow:
        await uow.lifecycles.lock([soon])
        await uow.dispatches.postpone({soon: timedelta(seconds=-1)}, kind=DispatchKind.POLL_STATUS)
        await uow.commit()

    async with store.open_uow() as uow:
        silent = await uow.awaited_messages.lock_for_polling(10)

    assert [state.key for state in silent] == [soon]
    assert later != soon


async def test_later_messages_of_the_sender_that_were_reported_on_are_heard(store: MessageStore) -> None:
    await reported(store, 1)
    key = await store.unclear(a_new_message())
    await reported(store, 3)
    await reported(store, 1, heard=False)

    async with store.open_uow() as uow:
        waiting = list((await uow.lifecycles.lock([key])).values())
        found = (await uow.awaited_messages.later_receipts(waiting, enough=20))[SENDER]
        few = (await uow.awaited_messages.later_receipts(waiting, enough=2))[SENDER]
        assert await uow.awaited_messages.later_receipts([], enough=2) == {}

    started = waiting[0].attempt
    assert started is not None
    assert started.started_at is not None
    assert found.heard_until is not None
    assert found.heard_until > started.started_at
    assert (found.later_receipts, few.later_receipts) == (3, 2)
    assert (found.unread, found.unmatched, found.paused) == (False, False, False)
