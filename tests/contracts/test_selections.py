"""The fake and Postgres choose messages for an operator's bulk action alike."""

from messaging.application.ports.records import MessageFilter
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT, MESSAGE, OTHER_TENANT, TENANT
from tests.contracts.stores import MessageStore, accepted, starting
from tests.seeding import a_new_message

DECIDABLE = MessageFilter(states=(State.DEAD, State.UNCONFIRMED, State.FAILED))


async def unconfirmed(store: MessageStore) -> MessageKey:
    key = await store.unclear(a_new_message())
    await store.move(key, lambda state: lifecycle.resolve_unknown(state))
    return key


async def test_what_waits_for_a_person_is_chosen_the_newest_first(store: MessageStore) -> None:
    dead, unclear = await store.dead(a_new_message()), await unconfirmed(store)
    await store.accept([a_new_message()])

    async with store.tenant() as uow:
        assert list(await uow.selections.undecided(DECIDABLE, limit=9)) == [unclear.message_id, dead.message_id]
        assert list(await uow.selections.undecided(DECIDABLE, limit=1)) == [unclear.message_id]
        assert list(await uow.selections.undecided(MessageFilter(states=(State.DEAD,)), limit=9)) == [dead.message_id]


async def test_what_a_person_has_decided_is_not_chosen_again(store: MessageStore) -> None:
    dead, unclear = await store.dead(a_new_message()), await unconfirmed(store)
    await store.move(unclear, lambda state: lifecycle.resolve(state, by="key_1", reason="called them"))
    async with store.tenant() as uow:
        await uow.lifecycles.lock([dead])
        await uow.dead_letters.discard([dead.message_id], by="key_1", reason="not wanted")
        await uow.commit()

    async with store.tenant() as uow:
        assert list(await uow.selections.undecided(DECIDABLE, limit=9)) == []


async def test_a_choice_keeps_to_all_conditions(store: MessageStore) -> None:
    wanted = await store.dead(a_new_message(reference="order-7"))
    await store.dead(a_new_message())

    async with store.tenant() as uow:
        of_reference = MessageFilter(states=(State.DEAD,), reference="order-7", error_code="unrenderable")
        assert list(await uow.selections.undecided(of_reference, limit=9)) == [wanted.message_id]


async def test_those_that_exist_are_known(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    [test] = await store.accept([a_new_message(mode=Mode.TEST)])

    async with store.tenant() as uow:
        assert await uow.selections.known([key.message_id, test.message_id, MESSAGE]) == {key.message_id}
        assert await uow.selections.known([]) == set()
    async with store.open(OTHER_TENANT, Mode.LIVE) as uow:
        assert await uow.selections.known([key.message_id]) == set()


async def test_messages_of_an_account_are_under_way_until_the_provider_has_them(store: MessageStore) -> None:
    sent, *_ = await store.accept([a_new_message() for _ in range(3)])

    async with store.tenant() as uow:
        assert await uow.selections.under_way(ACCOUNT, most=9) == 3
        assert await uow.selections.under_way(ACCOUNT, most=2) == 2
        assert await uow.selections.under_way(AccountId(MESSAGE), most=9) == 0
    await store.claim(quota=1)
    await store.move(sent, starting)
    await store.move(sent, accepted)

    async with store.tenant() as uow:
        assert await uow.selections.under_way(ACCOUNT, most=9) == 2
    async with store.open(TENANT, Mode.TEST) as uow:
        assert await uow.selections.under_way(ACCOUNT, most=9) == 0


async def test_a_message_whose_sending_is_unclear_is_under_way_and_a_dead_one_is_not(store: MessageStore) -> None:
    await store.unclear(a_new_message())
    await store.dead(a_new_message())

    async with store.tenant() as uow:
        assert await uow.selections.under_way(ACCOUNT, most=9) == 1
