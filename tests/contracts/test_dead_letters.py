"""The fake and Postgres keep dead letters alike: open until sent again, settled by a person, or proven wrong."""

from messaging.application.ports.dead_letters import DeadLetterRow
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import MessageId
from messaging.domain.shared.mode import Mode
from tests.builders import MESSAGE, OTHER_TENANT, TENANT, a_receipt
from tests.contracts.stores import UNRENDERABLE, MessageStore
from tests.seeding import a_new_message


async def discard(store: MessageStore, *ids: MessageId) -> set[MessageId]:
    async with store.tenant() as uow:
        await uow.lifecycles.lock([MessageKey(TENANT, id) for id in ids])
        settled = await uow.dead_letters.discard(ids, by="key_1", reason="not wanted any more")
        await uow.commit()
    return set(settled)


async def letter(store: MessageStore, id: MessageId) -> DeadLetterRow:
    async with store.tenant() as uow:
        found = await uow.dead_letters.find(id)
    assert found is not None
    return found


async def test_a_dead_message_has_an_open_letter_that_says_why(store: MessageStore) -> None:
    key = await store.dead(a_new_message())

    found = await letter(store, key.message_id)

    assert (found.message_id, found.code, found.reason) == (key.message_id, UNRENDERABLE.code, UNRENDERABLE.reason)
    assert (found.resolved_at, found.resolution) == (None, None)


async def test_there_is_no_letter_of_a_message_that_lives_or_that_others_own(store: MessageStore) -> None:
    [living] = await store.accept([a_new_message()])
    dead = await store.dead(a_new_message())

    async with store.tenant() as uow:
        assert await uow.dead_letters.find(living.message_id) is None
        assert await uow.dead_letters.find(MESSAGE) is None
    for tenant_id, mode in ((OTHER_TENANT, Mode.LIVE), (TENANT, Mode.TEST)):
        async with store.open(tenant_id, mode) as uow:
            assert await uow.dead_letters.find(dead.message_id) is None
            assert list(await uow.dead_letters.page(before=None, limit=9, open_only=False)) == []


async def test_letters_are_paged_the_newest_first_and_the_open_ones_by_themselves(store: MessageStore) -> None:
    oldest, middle, newest = [(await store.dead(a_new_message())).message_id for _ in range(3)]
    await discard(store, middle)

    async with store.tenant() as uow:
        first = await uow.dead_letters.page(before=None, limit=2, open_only=False)
        second = await uow.dead_letters.page(before=first[-1].message_id, limit=2, open_only=False)
        open_ones = await uow.dead_letters.page(before=None, limit=9, open_only=True)

    assert [it.message_id for it in (*first, *second)] == [newest, middle, oldest]
    assert [it.message_id for it in open_ones] == [newest, oldest]


async def test_a_letter_is_discarded_once_and_its_message_tells_it(store: MessageStore) -> None:
    key = await store.dead(a_new_message())
    before = await store.state(key)

    assert await discard(store, key.message_id, MESSAGE) == {key.message_id}
    assert await discard(store, key.message_id) == set()

    found = await letter(store, key.message_id)
    assert (found.resolution, found.resolved_at is None) == ("discarded", False)
    after = await store.state(key)
    assert (after.state, after.seq) == (State.DEAD, before.seq + 1)
    async with store.tenant() as uow:
        [told] = await uow.records.events(key.message_id, after=before.seq, limit=9)
    assert (told.type, told.state) == ("dead_letter.discarded", State.DEAD)
    assert told.detail == {"by": "key_1", "reason": "not wanted any more"}


async def test_what_is_not_committed_settles_nothing(store: MessageStore) -> None:
    key = await store.dead(a_new_message())

    async with store.tenant() as uow:
        await uow.lifecycles.lock([key])
        await uow.dead_letters.discard([key.message_id], by="key_1", reason="")

    assert (await letter(store, key.message_id)).resolution is None


async def test_a_message_that_is_sent_again_or_turns_out_sent_settles_its_letter(store: MessageStore) -> None:
    again, found_sent = await store.dead(a_new_message()), await store.dead(a_new_message())

    await store.move(again, lambda state: lifecycle.requeue(state, by="key_1"))
    receipt = a_receipt(ReceiptKind.DELIVERED)
    await store.move(found_sent, lambda state: lifecycle.receive(state, [(1, receipt)]))

    resolutions = [(await letter(store, key.message_id)).resolution for key in (again, found_sent)]
    assert resolutions == ["retried", "resolved_by_provider"]


async def test_a_message_that_dies_twice_has_an_open_letter_again(store: MessageStore) -> None:
    key = await store.dead(a_new_message())
    await store.move(key, lambda state: lifecycle.requeue(state, by="key_1"))
    await store.claim()

    await store.move(key, lambda state: lifecycle.dead_letter(state, epoch=2, error=UNRENDERABLE))

    assert (await letter(store, key.message_id)).resolved_at is None


async def test_the_open_ones_among_some_are_told(store: MessageStore) -> None:
    [living] = await store.accept([a_new_message()])
    dead, settled = [(await store.dead(a_new_message())).message_id for _ in range(2)]
    await discard(store, settled)

    async with store.tenant() as uow:
        assert await uow.dead_letters.open_among([living.message_id, dead, settled, MESSAGE]) == {dead}
        assert await uow.dead_letters.open_among([]) == set()
