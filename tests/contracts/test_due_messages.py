"""The fake and Postgres find and lock what is due in a lane alike."""

import asyncio
from datetime import timedelta

from uuid_utils.compat import uuid7

from messaging.application.ports.due_messages import View
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.content.parameters import Pin
from messaging.domain.messages.message import Priority
from messaging.domain.messages.pacing.fairness import NO_FLOW, Flow
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import OwnTemplateId, TemplateId
from tests.builders import NOON, OTHER_TENANT, SENDER, TEMPLATE, TENANT
from tests.contracts.stores import LANE, UNRENDERABLE, MessageStore
from tests.seeding import OTHER_ACCOUNT, OTHER_SENDER, a_new_message, lock_due

FLOW = Flow(TENANT, SENDER, TEMPLATE)
THEIRS = {"tenant_id": OTHER_TENANT, "sender_id": OTHER_SENDER, "account_id": OTHER_ACCOUNT, "template_id": None}


async def test_a_claim_is_not_due_again_before_its_lease_ends(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])

    first, second = await store.claim(), await store.claim()

    assert (first, second) == ([key], [])


async def test_an_ended_lease_makes_the_message_due_again(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim(lease=timedelta(0))

    assert await store.claim() == [key]
    given_back = await store.state(key)
    assert await store.claim() == [key]
    claimed = await store.state(key)

    assert (given_back.epoch, given_back.claim_failures, given_back.state) == (1, 1, State.QUEUED)
    assert (claimed.epoch, claimed.claim_failures, claimed.state) == (2, 1, State.CLAIMED)


async def test_two_workers_never_take_the_same_message(store: MessageStore) -> None:
    keys = await store.accept([a_new_message() for _ in range(40)])

    taken = await asyncio.gather(*(store.claim(quota=5) for _ in range(8)))

    flat = [key for some in taken for key in some]
    assert len(flat) == len(set(flat))
    assert set(flat) <= set(keys)
    assert len(flat) + len(await store.claim(quota=40)) == 40


async def test_messages_of_an_own_template_are_a_flow_and_come_back_to_it(store: MessageStore) -> None:
    pin = Pin(template_id=OwnTemplateId(uuid7()), version=1, language="en")
    key = await store.dead(a_new_message(template_id=None, pin=pin), UNRENDERABLE)
    await store.move(key, lambda at: lifecycle.requeue(at, by="key_1"))
    await store.accept([a_new_message(template_id=None, pin=pin), a_new_message(template_id=None)])

    async with store.open_uow() as uow:
        waiting = await uow.due_messages.flows_due(LANE, View(10, 10), concurrency=10, throttled=())

    assert waiting == {Flow(TENANT, SENDER, NO_FLOW): 1, Flow(TENANT, SENDER, pin.template_id): 2}


async def test_each_flow_gives_its_oldest_and_no_more_than_its_quota(store: MessageStore) -> None:
    mine = await store.accept([a_new_message() for _ in range(5)])
    others = await store.accept([a_new_message(**THEIRS) for _ in range(5)])

    async with store.open_uow() as uow:
        due = await uow.due_messages.lock_due(LANE, {FLOW: 2, Flow(OTHER_TENANT, OTHER_SENDER, NO_FLOW): 3})

    assert {one.message.key for one in due} == {*mine[:2], *others[:3]}
    assert {one.sealed for one in due} == {b"sealed"}
    assert {one.flow_id for one in due} == {TEMPLATE, NO_FLOW}
    assert {one.recipient_index for one in due} == {a_new_message().recipient_index}


async def test_flows_are_counted_up_to_twice_a_fair_share_and_not_while_they_rest(store: MessageStore) -> None:
    other = TemplateId(uuid7())
    await store.accept([a_new_message() for _ in range(5)])
    await store.accept([a_new_message(template_id=None)])

    async with store.open_uow() as uow:
        flows_due = uow.due_messages.flows_due
        few = await flows_due(LANE, View(10, 10), concurrency=1, throttled=())
        all_of_them = await flows_due(LANE, View(10, 10), concurrency=50, throttled=(other,))
        resting = await flows_due(LANE, View(10, 10), concurrency=50, throttled=(TEMPLATE,))

    alone = Flow(TENANT, SENDER, NO_FLOW)
    assert (few[FLOW], few[alone]) == (2, 1)
    assert (all_of_them[FLOW], all_of_them[alone]) == (5, 1)
    assert (resting[FLOW], resting[alone]) == (0, 1)


async def test_a_view_goes_on_where_the_last_one_ended_and_comes_round(store: MessageStore) -> None:
    await store.accept([a_new_message(), a_new_message(template_id=None)])
    await store.accept([a_new_message(**THEIRS)])
    mine, theirs = [Flow(TENANT, SENDER, NO_FLOW), FLOW], [Flow(OTHER_TENANT, OTHER_SENDER, NO_FLOW)]
    last = mine[-1]

    async with store.open_uow() as uow:
        seen = [
            list(await uow.due_messages.flows_due(LANE, view, concurrency=5, throttled=()))
            for view in (
                View(10, 10),
                View(10, 10, behind=TENANT),
                View(1, 10, behind=OTHER_TENANT),
                View(10, 1, left_off={TENANT: mine[0]}),
                View(10, 10, left_off={TENANT: last}),
            )
        ]

    assert seen == [mine + theirs, theirs + mine, mine, [last, *theirs], mine + theirs]


async def test_what_is_not_due_yet_is_in_view_and_not_counted(store: MessageStore) -> None:
    new = a_new_message(state=State.SCHEDULED, send_at=NOON.replace(year=2100))
    [key] = await store.accept([new])

    async with store.open_uow() as uow:
        assert await uow.due_messages.flows_due(LANE, View(10, 10), concurrency=5, throttled=()) == {FLOW: 0}
        assert await uow.due_messages.lock_due(LANE, {FLOW: 5}) == ()
    assert (await store.state(key)).state is State.SCHEDULED


async def test_a_message_locked_by_one_is_skipped_by_the_other(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])

    async with store.open_uow() as first:
        await first.lifecycles.lock([key])
        taken = await store.claim()

    assert taken == []
    assert await store.claim() == [key]


async def test_another_lane_and_an_unknown_flow_have_nothing_due(store: MessageStore) -> None:
    await store.accept([a_new_message(priority=Priority.LOW)])

    async with store.open_uow() as uow:
        assert await uow.due_messages.lock_due(LANE, {}) == ()
        assert await uow.due_messages.lock_due(LANE, {FLOW: 5}) == ()
        assert await uow.due_messages.flows_due(LANE, View(10, 10), concurrency=5, throttled=()) == {}
        [low] = await lock_due(uow.due_messages, DeliverLane(Channel.WHATSAPP, Priority.LOW))
    assert low.message.priority is Priority.LOW
