"""The fake and Postgres notice alike what has expired or was lost while no worker takes it up."""

from datetime import timedelta

from messaging.application.ports.unserved_messages import Place
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from tests.builders import NOON, OTHER_TENANT, SENDER, TENANT
from tests.contracts.stores import LANE, MessageStore
from tests.seeding import OTHER_ACCOUNT, OTHER_SENDER, a_new_message

HELD = {SENDER: TENANT}
THEIRS = {"tenant_id": OTHER_TENANT, "sender_id": OTHER_SENDER, "account_id": OTHER_ACCOUNT, "template_id": None}
# Accepted in time, and past its expiry by now.
OVER = {"expires_at": NOON.replace(year=2020), "created_at": NOON.replace(year=2019)}


async def test_the_expired_messages_of_held_senders_are_locked(store: MessageStore) -> None:
    expired = await store.accept([a_new_message(**OVER) for _ in range(3)])
    await store.accept([a_new_message(), a_new_message(expires_at=NOON.replace(year=2100))])
    await store.accept([a_new_message(**(OVER | THEIRS))])

    async with store.open_uow() as uow:
        found = await uow.unserved_messages.lock_expired(HELD, 10)
        some = await uow.unserved_messages.lock_expired(HELD, 2)
        async with store.open_uow() as other:
            assert list(await other.unserved_messages.lock_expired(HELD, 10)) == []

    assert {state.key for state in found} == set(expired)
    assert len(some) == 2


async def test_a_lane_is_looked_through_page_by_page(store: MessageStore) -> None:
    expired = await store.accept([a_new_message(**OVER), a_new_message(**OVER)])
    await store.accept([a_new_message()])
    theirs = await store.accept([a_new_message(**(OVER | THEIRS))])

    found: list[MessageKey] = []
    place: Place | None = Place()
    async with store.open_uow() as uow:
        while place is not None:
            page = await uow.unserved_messages.lock_expired_in(LANE, after=place, limit=2)
            found += [state.key for state in page.messages]
            place = page.next

    assert sorted(found) == sorted([*expired, *theirs])


async def test_only_claims_whose_lease_has_ended_are_lost(store: MessageStore) -> None:
    held, lost = await store.accept([a_new_message(), a_new_message()])
    await store.claim(quota=1)
    await store.claim(quota=1, lease=timedelta(0))
    await store.accept([a_new_message()])

    async with store.open_uow() as uow:
        found = await uow.unserved_messages.lock_lost(HELD, 10)
        of_others = await uow.unserved_messages.lock_lost({OTHER_SENDER: OTHER_TENANT}, 10)

    assert [(state.key, state.state) for state in found] == [(lost, State.CLAIMED)]
    assert list(of_others) == []
    assert (await store.state(held)).state is State.CLAIMED
