"""The fake and Postgres read messages back alike: one, pages by filter, counts and timelines."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from messaging.application.ports.records import CountedRange, MessageFilter
from messaging.domain.channels.address import Channel, Phone
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT, MESSAGE, OTHER_TENANT, SENDER, TEMPLATE, a_text
from tests.contracts.stores import UNRENDERABLE, MessageStore, accepted, starting
from tests.seeding import a_new_message

START = datetime.fromisoformat("2026-05-04T12:00:00+00:00")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
EVERYTHING = MessageFilter()


def at(minute: int) -> dict[str, object]:
    """An id and a time of creation so many minutes after the start."""
    created = START + minute * MINUTE
    return {"id": MessageId(UUID(int=(int(created.timestamp() * 1000) << 80) + minute)), "created_at": created}


async def ids(store: MessageStore, wanted: MessageFilter, *, mode: Mode = Mode.LIVE) -> list[MessageId]:
    async with store.tenant(mode) as uow:
        page = await uow.records.page(wanted, before=None, limit=50)
    assert page.scanned_to is None
    return [row.id for row in page.rows]


async def test_a_message_is_read_as_it_was_accepted(store: MessageStore) -> None:
    new = a_new_message(reference="order-7", expires_at=START + 1_000 * DAY)
    [key] = await store.accept([new])

    async with store.tenant() as uow:
        row = await uow.records.message(key.message_id)
        missing = await uow.records.message(MESSAGE)

    assert missing is None
    assert row is not None
    assert (row.id, row.state, row.mode, row.channel) == (key.message_id, State.QUEUED, "live", "whatsapp")
    assert (row.category, row.priority, row.on_unknown, row.policy) == ("utility", "default", "hold", "durable")
    assert (row.account_id, row.sender_id) == (typeid(Prefix.ACCOUNT, ACCOUNT), typeid(Prefix.SENDER, SENDER))
    assert (row.template_id, row.reference) == (typeid(Prefix.TEMPLATE, TEMPLATE), "order-7")
    assert (row.summary, row.sealed) == ("template order_update (en_US)", b"sealed")
    assert (row.attempts, row.checks, row.possible_duplicate) == (0, 0, False)
    assert (row.error_code, row.error_reason, row.provider_message_id) == (None, None, None)
    assert (row.send_at, row.expires_at) == (None, new.message.expires_at)
    assert row.created_at == row.updated_at == new.message.created_at


async def test_a_text_has_no_template(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message(content=a_text())])

    async with store.tenant() as uow:
        row = await uow.records.message(key.message_id)

    assert row is not None
    assert (row.template_id, row.summary) == (None, "text")


async def test_what_became_of_a_message_is_read_with_it(store: MessageStore) -> None:
    sent, *_ = await store.accept([a_new_message()])
    await store.claim()
    await store.move(sent, starting)
    await store.move(sent, accepted)
    dead = await store.dead(a_new_message())

    async with store.tenant() as uow:
        rows = [await uow.records.message(key.message_id) for key in (sent, dead)]

    assert all(row is not None and row.updated_at > row.created_at for row in rows)
    assert [row and (row.state, row.attempts) for row in rows] == [(State.SUBMITTED, 1), (State.DEAD, 0)]
    assert [row and row.provider_message_id for row in rows] == [str(sent.message_id), None]
    assert [row and (row.error_code, row.error_reason) for row in rows] == [
        (None, None),
        (UNRENDERABLE.code, UNRENDERABLE.reason),
    ]


async def test_nothing_of_another_tenant_or_mode_is_there(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message(**at(0))])
    counted = CountedRange(created_after=START, created_before=START + DAY)

    for tenant_id, mode in ((OTHER_TENANT, Mode.LIVE), (key.tenant_id, Mode.TEST)):
        async with store.open(tenant_id, mode) as uow:
            assert await uow.records.message(key.message_id) is None
            assert (await uow.records.page(EVERYTHING, before=None, limit=9)).rows == ()
            assert list(await uow.records.events(key.message_id, after=0, limit=9)) == []
            assert (await uow.records.counts(counted)).found == {}


async def test_pages_show_everything_once_the_newest_first(store: MessageStore) -> None:
    keys = await store.accept([a_new_message(**at(minute)) for minute in range(5)])

    shown, before = list[MessageId](), None
    async with store.tenant() as uow:
        for _ in range(3):
            page = await uow.records.page(EVERYTHING, before=before, limit=2)
            shown += [row.id for row in page.rows]
            before = page.scanned_to

    assert shown == [key.message_id for key in reversed(keys)]
    assert before is None


async def test_each_condition_keeps_its_own_and_all_must_hold(store: MessageStore) -> None:
    bob = a_new_message(recipient=Phone("+4915112345678"), **at(0))
    text = a_new_message(content=a_text(), **at(1))
    referenced = a_new_message(reference="order-7", **at(2))
    test = a_new_message(mode=Mode.TEST, **at(3))
    await store.accept([bob, text, referenced, test])
    b, t, r = (new.message.id for new in (bob, text, referenced))

    assert await ids(store, EVERYTHING) == [r, t, b]
    assert await ids(store, MessageFilter(recipient_indexes=(bob.recipient_index,))) == [b]
    assert await ids(store, MessageFilter(recipient_indexes=(bob.recipient_index, text.recipient_index))) == [r, t, b]
    assert await ids(store, MessageFilter(reference="order-7")) == [r]
    assert await ids(store, MessageFilter(template="order_update")) == [r, b]
    assert await ids(store, MessageFilter(message_id=t)) == [t]
    assert await ids(store, MessageFilter(message_id=t, reference="order-7")) == []
    assert await ids(store, MessageFilter(created_after=START + MINUTE)) == [r, t]
    assert await ids(store, MessageFilter(created_before=START + 2 * MINUTE)) == [t, b]
    assert await ids(store, EVERYTHING, mode=Mode.TEST) == [test.message.id]


async def test_messages_are_found_by_what_became_of_them(store: MessageStore) -> None:
    [queued] = await store.accept([a_new_message(send_at=START + 1_000 * DAY, **at(0))])
    dead = await store.dead(a_new_message(**at(1)))

    of_state = MessageFilter(states=(State.DEAD, State.UNCONFIRMED))
    assert await ids(store, of_state) == [dead.message_id]
    assert await ids(store, MessageFilter(states=(State.QUEUED,))) == [queued.message_id]
    assert await ids(store, MessageFilter(error_code=UNRENDERABLE.code)) == [dead.message_id]
    assert await ids(store, MessageFilter(error_code="another")) == []
    assert await ids(store, MessageFilter(updated_after=START + 2 * MINUTE)) == [dead.message_id]
    assert await ids(store, MessageFilter(updated_before=START + 2 * MINUTE)) == [queued.message_id]


async def test_messages_of_a_range_are_counted_by_state_and_reason(store: MessageStore) -> None:
    later = {"send_at": START + 1_000 * DAY}
    await store.accept(
        [
            a_new_message(**at(0), **later),
            a_new_message(content=a_text(), **at(1), **later),
            a_new_message(**at(60), **later),
        ]
    )
    await store.dead(a_new_message(**at(2)))
    hour: dict[str, Any] = {"created_after": START, "created_before": START + 60 * MINUTE}

    async with store.tenant() as uow:
        everything = await uow.records.counts(CountedRange(**hour))
    async with store.tenant() as uow:
        of_template = await uow.records.counts(
            CountedRange(template="order_update", channel=Channel.WHATSAPP.value, **hour)
        )
    async with store.tenant() as uow:
        of_channel = await uow.records.counts(CountedRange(channel="sms", **hour))

    assert everything.found == {(State.QUEUED, None): 2, (State.DEAD, UNRENDERABLE.code): 1}
    assert (everything.truncated, everything.since) == (False, START)
    assert of_template.found == {(State.QUEUED, None): 1, (State.DEAD, UNRENDERABLE.code): 1}
    assert of_channel.found == {}


async def test_a_timeline_is_read_in_order_from_anywhere(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.move(key, lambda state: lifecycle.cancel(state, by="key_1"))

    async with store.tenant() as uow:
        everything = await uow.records.events(key.message_id, after=0, limit=9)
        rest = await uow.records.events(key.message_id, after=1, limit=9)
        first = await uow.records.events(key.message_id, after=0, limit=1)

    assert [(event.seq, event.type, event.state) for event in everything] == [
        (1, "message.accepted", State.QUEUED),
        (2, "message.cancelled", State.CANCELLED),
    ]
    assert (everything[1].detail, everything[1].occurred_at) == ({"by": "key_1"}, None)
    assert (list(rest), list(first)) == ([everything[1]], [everything[0]])


async def test_a_message_that_does_not_exist_has_no_timeline(store: MessageStore) -> None:
    async with store.tenant() as uow:
        assert list(await uow.records.events(MESSAGE, after=0, limit=9)) == []
