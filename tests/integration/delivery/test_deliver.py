"""What does delivery do around the provider's call: before the first byte, and with whatever comes back?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta

import pytest

from messaging.adapters.postgres.messages.optimistic_writes import PostgresOptimisticWrites
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.ports.providers.sending import NotStarted, Outgoing
from messaging.application.ports.rate_limits import Bucket, Verdict
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, Phase
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import Rejected, Scope, SendResult, Sent, Throttled, Uncertain
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import TemplateStatus
from tests import builders
from tests.builders import TENANT, a_receipt
from tests.integration.delivery.delivering import (
    BUSY_SENDER,
    LANE,
    Delivery,
    make_due,
    sealed_message,
    submitted,
)
from tests.seeding import accept


async def test_the_start_is_durable_before_the_first_byte(delivery: Delivery) -> None:
    key = await submitted(delivery)
    seen: list[tuple[State, Phase | None]] = []

    async def look(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        for _ in range(2):
            message = await delivery.message(key)
            seen.append((message.state, message.attempt.phase if message.attempt else None))
            if len(seen) == 1:
                assert await may_start()
        return Sent(provider_message_id="wamid.1")

    delivery.gateway.answer = look
    await delivery.run()

    assert seen == [(State.CLAIMED, Phase.CLAIMED), (State.SENDING, Phase.STARTED)]
    assert (await delivery.message(key)).state is State.SUBMITTED


async def test_a_claim_is_given_back_when_what_it_needs_cannot_be_read(delivery: Delivery) -> None:
    key = await submitted(delivery)

    delivery.read_when_rendering.refused = True
    await delivery.run()
    given_back = await delivery.message(key)
    delivery.read_when_rendering.refused = False
    await delivery.run()

    assert (given_back.state, given_back.claim_failures) == (State.QUEUED, 0)
    assert (await delivery.message(key)).state is State.SUBMITTED


async def test_what_happens_to_a_message_between_claim_and_outcome_is_looked_at_before_anything_is_written(
    delivery: Delivery,
) -> None:
    key = await submitted(delivery)

    async def news(kind: ReceiptKind) -> None:
        async with delivery.open() as uow:
            message = (await uow.lifecycles.lock([key]))[key]
            await uow.lifecycles.apply([lifecycle.receive(message, [(1, a_receipt(kind))])])
            await uow.commit()

    async def overtaken(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        assert await may_start()
        await news(ReceiptKind.READ)
        return Uncertain(reason="no answer came")

    delivery.gateway.answer = overtaken
    await delivery.run()

    # The receipt was surer.
    message = await delivery.message(key)
    assert message.state is State.READ
    assert message.attempt is not None
    assert message.attempt.phase is Phase.CLOSED


async def test_a_claim_that_was_lost_meanwhile_is_no_claim(delivery: Delivery) -> None:
    key = await submitted(delivery)
    answers: list[bool] = []

    async def late(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        async with delivery.open() as uow:
            message = (await uow.lifecycles.lock([key]))[key]
            lost = lifecycle.release(message, epoch=1, reason="taken over", due_at=message.now + timedelta(hours=1))
            assert lost is not None
            await uow.lifecycles.apply([lost])
            await uow.commit()
        answers.append(await may_start())
        return NotStarted()

    delivery.gateway.answer = late
    await delivery.run()

    assert answers == [False]
    assert (await delivery.message(key)).state is State.QUEUED


async def test_starts_that_were_written_but_not_confirmed_are_no_starts(delivery: Delivery) -> None:
    keys = [await submitted(delivery), await submitted(delivery)]
    written: list[int] = []

    async def write_and_fail(changes: Sequence[Change]) -> AbstractSet[MessageKey]:
        moved = await PostgresOptimisticWrites(delivery.engines.system).write(changes)
        if not written:
            written.append(len(moved))
            raise StoreUnavailable
        return moved

    delivery.optimistic_writes.write = write_and_fail  # type: ignore[method-assign]
    await delivery.run()

    # Both starts stand written, in one batch; and as no byte has left, both messages go out with the next try.
    assert written == [2]
    assert [(await delivery.message(key)).state for key in keys] == [State.QUEUED, State.QUEUED]
    assert not delivery.gateway.sent
    await make_due(delivery)
    await delivery.run()
    assert [(await delivery.message(key)).state for key in keys] == [State.SUBMITTED, State.SUBMITTED]
    assert len(delivery.gateway.sent) == 2


@pytest.mark.parametrize(("starts", "state"), [(False, State.QUEUED), (True, State.UNKNOWN)])
async def test_a_defect_of_ours_is_an_outcome_too(
    delivery: Delivery, starts: bool, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    key = await submitted(delivery)

    async def broken(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        if starts:
            assert await may_start()
        raise KeyError("a bug")

    delivery.gateway.answer = broken
    await delivery.run()

    assert (await delivery.message(key)).state is state
    assert "message.send_broke" in caplog.messages


async def test_a_stamped_message_whose_slot_cannot_be_asked_for_is_tried_again(delivery: Delivery) -> None:
    key = await submitted(delivery)

    async def broken(wanted: Sequence[Sequence[Bucket]]) -> Sequence[Verdict]:
        raise KeyError("a bug")

    async def late(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        # Its slot closes meanwhile, and there is no other.
        await asyncio.sleep(0.5)
        delivery.limits.take = broken  # type: ignore[method-assign]
        assert await may_start()
        raise AssertionError("it must not start")

    delivery.gateway.answer = late
    await delivery.run()

    message = await delivery.message(key)
    assert message.state is State.QUEUED
    assert message.attempt is not None
    assert message.attempt.phase is Phase.CLOSED


async def test_an_unclear_outcome_is_not_tried_again(delivery: Delivery) -> None:
    key = await submitted(delivery)
    delivery.gateway.answer = delivery.gateway.started_then(Uncertain(reason="no answer came"))

    await delivery.run()

    assert (await delivery.message(key)).state is State.UNKNOWN
    assert await delivery.run() == 0


async def test_throttling_pauses_the_sender_and_uses_up_no_attempt(delivery: Delivery) -> None:
    key = await submitted(delivery)
    wait = timedelta(seconds=7)
    delivery.gateway.answer = delivery.gateway.started_then(
        Throttled(code="130429", reason="too fast", scope=Scope.SENDER, retry_after=wait)
    )

    await delivery.run()

    message = await delivery.message(key)
    assert (message.state, message.attempts) == (State.QUEUED, 0)
    await make_due(delivery)
    assert await delivery.run() == 0


async def test_what_the_adapter_itself_cannot_express_is_a_dead_letter(delivery: Delivery) -> None:
    key = await submitted(delivery)

    async def refuse(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        return Rejected(code="not_expressible", reason="no such content here")

    delivery.gateway.answer = refuse
    await delivery.run()

    assert (await delivery.message(key)).state is State.DEAD


async def test_without_a_written_start_nothing_leaves_and_the_message_waits_for_its_retry(delivery: Delivery) -> None:
    key = await submitted(delivery)

    async def database_away(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        delivery.refuse_transactions = True
        started = await may_start()
        delivery.refuse_transactions = False
        return await delivery.gateway.accept(outgoing, _yes) if started else NotStarted()

    delivery.gateway.answer = database_away
    await delivery.run()

    assert delivery.gateway.sent == []
    assert (await delivery.message(key)).state is State.QUEUED


async def test_a_drain_gives_back_what_has_not_started_and_waits_for_what_has(delivery: Delivery) -> None:
    keys = [await submitted(delivery) for _ in range(2)]
    first_has_started, let_it_end = asyncio.Event(), asyncio.Event()

    async def slow(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        if first_has_started.is_set():
            await let_it_end.wait()
        first = not first_has_started.is_set()
        first_has_started.set()
        result = await delivery.gateway.accept(outgoing, may_start)
        if first:
            await let_it_end.wait()
        return result

    delivery.gateway.answer = slow
    await delivery.deliver(LANE)
    await first_has_started.wait()
    draining = asyncio.create_task(delivery.deliver.drain())
    while not delivery.gateway.sent:
        await asyncio.sleep(0.005)
    let_it_end.set()
    await draining

    assert sorted([(await delivery.message(key)).state for key in keys]) == [State.QUEUED, State.SUBMITTED]
    assert await delivery.deliver(LANE) == 0


async def test_a_configuration_that_contradicts_is_believed_only_after_it_had_time_to_follow(
    delivery: Delivery,
) -> None:
    key = await submitted(delivery)
    async with PostgresUnitOfWorkFactory(delivery.engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.reviewed_templates.update_template(builders.a_template(status=TemplateStatus.REJECTED))
        await uow.commit()

    states = []
    for _ in range(3):
        await make_due(delivery)
        await delivery.run()
        states.append((await delivery.message(key)).state)

    assert states == [State.QUEUED, State.QUEUED, State.DEAD]
    assert delivery.gateway.sent == []


async def test_a_backlog_of_one_sender_leaves_places_to_the_others(engines: Engines, delivery: Delivery) -> None:
    small = Delivery(engines, concurrency=8)
    await accept(engines, [sealed_message(sender_id=BUSY_SENDER) for _ in range(50)])
    await accept(engines, [sealed_message() for _ in range(2)])

    await small.run()

    assert sum(sent.sender_external_id == builders.PHONE_NUMBER_ID for sent in small.gateway.sent) == 2


async def _yes() -> bool:
    return True
