"""The fake and Postgres keep the dispatches of messages alike."""

from datetime import timedelta

from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.state import State
from tests.builders import NOON, SENDER
from tests.contracts.stores import LANE, MessageStore
from tests.seeding import a_new_message

SOON, PAST = timedelta(seconds=60), timedelta(seconds=-1)


async def lanes_with_work(store: MessageStore, *resting: DeliverLane) -> list[DispatchKind | DeliverLane]:
    """Of all kinds; the sender rests in the lanes named."""
    async with store.open_uow() as uow:
        found = await uow.dispatches.lanes_with_work(list(DispatchKind), throttled=[(lane, SENDER) for lane in resting])
    return list(found)


async def test_a_postponed_message_is_not_due_before_its_time(store: MessageStore) -> None:
    keys = await store.accept([a_new_message(), a_new_message(), a_new_message()])
    async with store.open_uow() as uow:
        await uow.lifecycles.lock(keys)
        await uow.dispatches.postpone({keys[0]: SOON, keys[1]: PAST})
        await uow.dispatches.postpone({keys[2]: SOON}, kind=DispatchKind.RESOLVE_UNKNOWN)
        await uow.dispatches.postpone({})
        await uow.commit()

    assert set(await store.claim()) == set(keys[1:])


async def test_a_withdrawn_dispatch_is_gone(store: MessageStore) -> None:
    key, other = await store.accept([a_new_message(), a_new_message()])

    async with store.open_uow() as uow:
        await uow.lifecycles.lock([key])
        await uow.dispatches.unschedule([key])
        await uow.dispatches.unschedule([])
        await uow.commit()

    assert await store.claim() == [other]


async def test_lanes_whose_flows_all_rest_have_no_work(store: MessageStore) -> None:
    await store.accept([a_new_message()])
    urgent = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)

    assert await lanes_with_work(store) == [LANE]
    assert await lanes_with_work(store, urgent) == [LANE]
    assert await lanes_with_work(store, LANE) == []


async def test_only_the_kinds_asked_for_are_told_and_only_once_they_are_due(store: MessageStore) -> None:
    await store.accept([a_new_message(state=State.SCHEDULED, send_at=NOON.replace(year=2100))])
    assert await lanes_with_work(store) == []

    await store.unclear(a_new_message())

    assert await lanes_with_work(store) == [DispatchKind.RESOLVE_UNKNOWN]
    async with store.open_uow() as uow:
        assert list(await uow.dispatches.lanes_with_work([DispatchKind.DELIVER])) == []
        assert list(await uow.dispatches.lanes_with_work([])) == []
