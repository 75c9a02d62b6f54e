"""The fake and Postgres notice alike that the server is another than before."""

from tests.contracts.stores import MessageStore
from tests.seeding import a_new_message


async def test_claims_are_open_on_the_server_that_was_written_to(store: MessageStore) -> None:
    async with store.open_uow() as uow:
        assert await uow.failovers.claims_are_open()
        assert not await uow.failovers.notice()
        assert not await uow.failovers.take_turn()


async def test_claims_are_closed_from_a_switch_until_it_is_settled(store: MessageStore) -> None:
    await store.switch()
    async with store.open_uow() as uow:
        assert not await uow.failovers.claims_are_open()
        assert await uow.failovers.notice()
        assert not await uow.failovers.claims_are_open()
        await uow.commit()

    async with store.open_uow() as uow:
        assert await uow.failovers.take_turn()
        await uow.failovers.settle()
        await uow.commit()

    async with store.open_uow() as uow:
        assert await uow.failovers.claims_are_open()
        assert not await uow.failovers.take_turn()


async def test_what_was_due_or_held_before_the_switch_is_doubtful(store: MessageStore) -> None:
    held, due = await store.accept([a_new_message(), a_new_message()])
    assert await store.claim(quota=1) == [held]
    await store.switch()
    async with store.open_uow() as uow:
        await uow.failovers.notice()
        await uow.commit()
    await store.accept([a_new_message()])

    async with store.open_uow() as uow:
        assert sorted(await uow.failovers.doubtful(10)) == sorted([held, due])
