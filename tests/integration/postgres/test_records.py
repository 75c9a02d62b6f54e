"""Are messages read back newest first, by every filter, page after page, and nothing twice?"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from messaging.adapters.postgres.reading import message_lists
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.ports.records import MessageFilter, MessageRow
from messaging.domain.channels.address import Phone
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT, ANA, MESSAGE, OTHER_TENANT, SENDER, TEMPLATE, TENANT, a_message, a_text
from tests.seeding import a_new_message, accept, seed_other_tenant, seed_tenant

EVERYTHING = MessageFilter()
START = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def _tenants(engines: Engines) -> None:
    await seed_tenant(engines)
    await seed_other_tenant(engines)


def at(minute: int) -> dict[str, object]:
    """An id and a creation time `minute` minutes after the start."""
    created = START + timedelta(minutes=minute)
    return {"id": MessageId(UUID(int=(int(created.timestamp() * 1000) << 80) + minute)), "created_at": created}


async def pages(
    engines: Engines, wanted: MessageFilter, *, limit: int, mode: Mode = Mode.LIVE
) -> list[list[MessageRow]]:
    found: list[list[MessageRow]] = []
    before: MessageId | None = None
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, mode) as uow:
        while True:
            page = await uow.records.page(wanted, before=before, limit=limit)
            found.append(list(page.rows))
            if page.scanned_to is None:
                return found
            assert before is None or page.scanned_to < before
            before = page.scanned_to


async def ids(engines: Engines, wanted: MessageFilter, *, limit: int = 50, mode: Mode = Mode.LIVE) -> list[MessageId]:
    return [row.id for page in await pages(engines, wanted, limit=limit, mode=mode) for row in page]


async def set_states(engines: Engines, states: Sequence[tuple[MessageId, State]]) -> None:
    """As if they had come there: state and timeline agree."""
    async with transaction(engines.system) as opened:
        for id, state in states:
            await opened.driver.execute(
                "UPDATE messages SET state = $2, seq = 2 WHERE id = $1 AND state <> $2", id, state.value
            )
            await opened.driver.execute(
                "INSERT INTO events (tenant_id, message_id, seq, type, state, detail)"
                " VALUES ($1, $2, 2, 'test', $3, '{}')",
                TENANT,
                id,
                state.value,
            )
        await opened.commit()


async def test_a_message_is_read_back_as_it_was_accepted(engines: Engines) -> None:
    new = a_new_message(reference="order-7")
    [key] = await accept(engines, [new])

    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        row = await uow.records.message(key.message_id)
        missing = await uow.records.message(MESSAGE)

    assert missing is None
    assert row is not None
    assert (row.id, row.state, row.reference, row.sealed) == (key.message_id, State.QUEUED, "order-7", b"sealed")
    assert row.account_id == typeid(Prefix.ACCOUNT, ACCOUNT)
    assert row.sender_id == typeid(Prefix.SENDER, SENDER)
    assert row.template_id == typeid(Prefix.TEMPLATE, TEMPLATE)
    assert row.created_at == row.updated_at == new.message.created_at


async def test_another_tenants_message_is_not_there(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])

    async with PostgresUnitOfWorkFactory(engines.app)(OTHER_TENANT, Mode.LIVE) as uow:
        assert await uow.records.message(key.message_id) is None
        assert (await uow.records.page(EVERYTHING, before=None, limit=10)).rows == ()


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
async def test_pages_of_any_size_show_everything_once_newest_first(engines: Engines, limit: int) -> None:
    keys = await accept(engines, [a_new_message(**at(minute)) for minute in range(7)])

    found = await ids(engines, EVERYTHING, limit=limit)

    assert found == [key.message_id for key in reversed(keys)]
    assert all(later > earlier for later, earlier in pairwise(found))


@pytest.mark.parametrize("wanted", [EVERYTHING, MessageFilter(states=(State.QUEUED,))], ids=["newest", "by state"])
async def test_a_page_ends_where_its_contents_grow_too_large(
    engines: Engines, wanted: MessageFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mails carry files; the next page goes on where the bytes were used up."""
    sent = [a_new_message(**at(minute)) for minute in range(6)]
    await accept(engines, sent)
    monkeypatch.setattr(message_lists, "MOST_BYTES", len(sent[0].sealed) + 1)

    found = await pages(engines, wanted, limit=5)

    assert [len(page) for page in found if page] == [2, 2, 2]
    assert [row.id for page in found for row in page] == [new.message.id for new in reversed(sent)]


async def test_each_filter_shows_its_own(engines: Engines) -> None:
    bob = a_new_message(recipient=Phone("+4915112345678"), **at(0))
    text = a_new_message(content=a_text(), **at(1))
    referenced = a_new_message(reference="order-7", **at(2))
    test = a_new_message(mode=Mode.TEST, **at(3))
    await accept(engines, [bob, text, referenced, test])

    async def found(wanted: MessageFilter, mode: Mode = Mode.LIVE) -> set[MessageId]:
        return set(await ids(engines, wanted, limit=2, mode=mode))

    b, t, r, m = (new.message.id for new in (bob, text, referenced, test))
    assert await found(MessageFilter(recipient_indexes=(bob.recipient_index,))) == {b}
    assert await found(MessageFilter(reference="order-7")) == {r}
    assert await found(MessageFilter(template="order_update")) == {b, r}
    assert await found(EVERYTHING) == {b, t, r}
    assert await found(MessageFilter(template="order_update"), Mode.TEST) == {m}
    assert await found(MessageFilter(reference="order-7", recipient_indexes=(bob.recipient_index,))) == set()
    both = (bob.recipient_index, text.recipient_index)
    assert await found(MessageFilter(reference="order-7", recipient_indexes=both)) == {r}


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_all_messages_to_a_person_of_several_names_come_in_one_order(engines: Engines, limit: int) -> None:
    new, old = Phone("+525512345678"), Phone("+5215512345678")
    keys = await accept(engines, [a_new_message(recipient=(new, old, ANA)[n % 3], **at(n)) for n in range(9)])
    names = tuple(a_new_message(recipient=recipient).recipient_index for recipient in (old, new))
    wanted = [key.message_id for n, key in enumerate(keys) if n % 3 != 2]
    await set_states(
        engines, [(wanted[0], State.FAILED), (wanted[3], State.FAILED), (keys[2].message_id, State.FAILED)]
    )

    assert await ids(engines, MessageFilter(recipient_indexes=names), limit=limit) == wanted[::-1]
    failed = MessageFilter(recipient_indexes=names, states=(State.FAILED,))
    assert await ids(engines, failed, limit=limit) == [wanted[3], wanted[0]]


async def test_times_bound_the_list_exactly(engines: Engines) -> None:
    keys = [key.message_id for key in await accept(engines, [a_new_message(**at(minute)) for minute in range(4)])]
    one, three = START + timedelta(minutes=1), START + timedelta(minutes=3)

    assert await ids(engines, MessageFilter(created_after=one), limit=1) == [keys[3], keys[2], keys[1]]
    assert await ids(engines, MessageFilter(created_before=three)) == [keys[2], keys[1], keys[0]]
    assert await ids(engines, MessageFilter(created_after=one, created_before=three)) == [keys[2], keys[1]]
    assert await ids(engines, MessageFilter(created_after=datetime(1, 1, 1, tzinfo=UTC))) == keys[::-1]
    assert await ids(engines, MessageFilter(created_before=datetime(9999, 12, 31, tzinfo=UTC))) == keys[::-1]


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_a_list_by_a_rare_state_shows_those_that_are_still_in_it(engines: Engines, limit: int) -> None:
    keys = [key.message_id for key in await accept(engines, [a_new_message(**at(minute)) for minute in range(6)])]
    await set_states(engines, [(keys[1], State.FAILED), (keys[3], State.FAILED), (keys[4], State.EXPIRED)])
    async with transaction(engines.system) as opened:
        await opened.driver.execute("UPDATE messages SET state = 'delivered', seq = 3 WHERE id = $1", keys[3])
        await opened.commit()

    assert await ids(engines, MessageFilter(states=(State.FAILED,)), limit=limit) == [keys[1]]
    both = MessageFilter(states=(State.FAILED, State.EXPIRED))
    assert await ids(engines, both, limit=limit) == [keys[4], keys[1]]
    filtered = MessageFilter(states=(State.FAILED, State.EXPIRED), template="order_update")
    assert await ids(engines, filtered, limit=limit) == [keys[4], keys[1]]


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_several_states_are_found_where_each_is_looked_for_however_many_came_between(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    keys = [key.message_id for key in await accept(engines, [a_new_message(**at(minute)) for minute in range(9)])]
    await set_states(engines, [(key, State.DELIVERED) for key in keys[3:8]])
    async with transaction(engines.system) as opened:
        await opened.driver.execute("DELETE FROM dispatches WHERE subject_id > $1", keys[0])
        await opened.commit()
    await set_states(engines, [(keys[1], State.DEAD), (keys[2], State.FAILED), (keys[8], State.FAILED)])
    monkeypatch.setattr(message_lists, "STRETCH", 4)

    [*both, end] = await pages(engines, MessageFilter(states=(State.FAILED, State.DEAD)), limit=limit)
    waiting_too = await ids(engines, MessageFilter(states=(State.QUEUED, State.FAILED, State.DEAD)), limit=limit)

    assert [row.id for page in (*both, end) for row in page] == [keys[8], keys[2], keys[1]]
    assert len(both) + 1 == -(-3 // limit)
    assert waiting_too == [keys[8], keys[2], keys[1], keys[0]]


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_error_and_time_of_change_are_looked_at_stretch_by_stretch(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    keys = [key.message_id for key in await accept(engines, [a_new_message(**at(minute)) for minute in range(9)])]
    changed = START + timedelta(days=1)
    await set_states(engines, [(keys[0], State.FAILED), (keys[8], State.DEAD)])
    async with transaction(engines.system) as opened:
        await opened.driver.execute(
            "UPDATE messages SET error_code = '131026', error_reason = 'why', updated_at = $2 WHERE id = ANY($1)",
            [keys[0], keys[2], keys[8]],
            changed,
        )
        await opened.commit()
    monkeypatch.setattr(message_lists, "STRETCH", 3)

    of_error = await pages(engines, MessageFilter(error_code="131026"), limit=limit)
    refused = MessageFilter(states=(State.FAILED, State.DEAD), error_code="131026")

    assert [row.id for page in of_error for row in page] == [keys[8], keys[2], keys[0]]
    assert any(page == [] for page in of_error)
    assert await ids(engines, refused, limit=limit) == [keys[8], keys[0]]
    assert await ids(engines, MessageFilter(error_code="another"), limit=limit) == []
    assert await ids(engines, MessageFilter(updated_after=changed), limit=limit) == [keys[8], keys[2], keys[0]]
    assert await ids(engines, MessageFilter(updated_before=changed), limit=limit) == [*keys[3:8][::-1], keys[1]]
    assert await ids(engines, MessageFilter(updated_after=changed, updated_before=changed), limit=limit) == []


@pytest.mark.parametrize("limit", [1, 2, 50])
@pytest.mark.parametrize("state", [State.SUBMITTED, State.CLAIMED, State.FAILED], ids=["common", "waiting", "rare"])
async def test_a_list_by_state_looks_back_stretch_by_stretch(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, state: State, limit: int
) -> None:
    keys = [key.message_id for key in await accept(engines, [a_new_message(**at(minute)) for minute in range(9)])]
    await set_states(engines, [(key, state) for key in (keys if state is State.FAILED else [*keys[:2], keys[8]])])
    async with transaction(engines.system) as opened:
        await opened.driver.execute("UPDATE messages SET state = 'delivered' WHERE id = ANY($1)", keys[2:8])
        await opened.commit()
    wanted = MessageFilter(states=(state,))
    monkeypatch.setattr(message_lists, "STRETCH", 3)

    found = await pages(engines, wanted, limit=limit)

    assert [row.id for page in found for row in page] == [keys[8], keys[1], keys[0]]
    assert any(page == [] for page in found)


async def test_messages_that_wait_are_found_through_the_outbox_however_many_came_after(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [key.message_id for key in await accept(engines, [a_new_message(**at(minute)) for minute in range(9)])]
    async with transaction(engines.system) as opened:
        await opened.driver.execute("DELETE FROM dispatches WHERE subject_id > $1", keys[1])
        await opened.commit()
    monkeypatch.setattr(message_lists, "STRETCH", 3)

    [page] = await pages(engines, MessageFilter(states=(State.QUEUED, State.CLAIMED)), limit=2)

    assert [row.id for row in page] == [keys[1], keys[0]]


async def test_a_state_and_a_recipient_together_look_at_the_recipients_messages_only(engines: Engines) -> None:
    bob = a_new_message(recipient=Phone("+4915112345678"), **at(0))
    ana = a_new_message(**at(1))
    await accept(engines, [bob, ana])
    await set_states(engines, [(bob.message.id, State.FAILED), (ana.message.id, State.FAILED)])

    wanted = MessageFilter(states=(State.FAILED,), recipient_indexes=(bob.recipient_index,))

    assert await ids(engines, wanted) == [bob.message.id]
    assert ana.message.recipient == ANA


async def test_the_timeline_is_read_in_order_from_anywhere(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])
    await set_states(engines, [(key.message_id, State.CLAIMED)])

    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        everything = await uow.records.events(key.message_id, after=0, limit=10)
        rest = await uow.records.events(key.message_id, after=1, limit=10)
        first = await uow.records.events(key.message_id, after=0, limit=1)

    assert [event.seq for event in everything] == [1, 2]
    assert (list(rest), list(first)) == ([everything[1]], [everything[0]])
    assert everything[0].detail == {}


async def test_dead_letters_are_paged_newest_first(engines: Engines) -> None:
    keys = await accept(engines, [a_new_message(**at(minute)) for minute in range(3)])
    async with transaction(engines.system) as opened:
        for key in keys:
            await opened.driver.execute("INSERT INTO dead_letters VALUES ($1, $2, now(), NULL, 'code', 'why')", *key)
        await opened.driver.execute(
            "UPDATE dead_letters SET resolved_at = now(), resolution = 'retried' WHERE message_id = $1",
            keys[1].message_id,
        )
        await opened.commit()

    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        newest = await uow.dead_letters.page(before=None, limit=2, open_only=False)
        oldest = await uow.dead_letters.page(before=newest[-1].message_id, limit=2, open_only=False)
        still_open = await uow.dead_letters.page(before=None, limit=5, open_only=True)
        nothing = await uow.dead_letters.find(MESSAGE)

    assert [letter.message_id for letter in (*newest, *oldest)] == [key.message_id for key in reversed(keys)]
    assert [letter.message_id for letter in still_open] == [keys[2].message_id, keys[0].message_id]
    assert nothing is None
    assert a_message().id == MESSAGE
