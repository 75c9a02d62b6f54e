"""Is what a dead worker noted written down, and nothing beyond it believed?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.application.ports.providers.sending import NotStarted, Outgoing
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Rejected, SendResult
from messaging.domain.messages.state import State
from tests.integration.delivery.delivering import LANE, Delivery, make_due, submitted

MayStart = Callable[[], Awaitable[bool]]
REFUSED = Rejected(code="131026", reason="undeliverable", http_status=400)


@pytest.fixture
def second(engines: Engines) -> Delivery:
    return Delivery(engines, worker="worker-2")


@asynccontextmanager
async def stuck(delivery: Delivery, answer: Callable[[Outgoing, MayStart], Awaitable[None]]) -> AsyncIterator[None]:
    """Within the block the worker's sends are stuck, as those of a dead one are for ever; then they are cancelled."""
    reached = asyncio.Event()

    async def never(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        await answer(outgoing, may_start)
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    delivery.gateway.answer = never
    before = asyncio.all_tasks()
    await delivery.deliver(LANE)
    await reached.wait()
    try:
        yield
    finally:
        sends = asyncio.all_tasks() - before
        for send in sends:
            send.cancel()
        await asyncio.gather(*sends, return_exceptions=True)


async def started(outgoing: Outgoing, may_start: MayStart) -> None:
    assert await may_start()


async def connecting(outgoing: Outgoing, may_start: MayStart) -> None:
    """The worker dies before it asks for its start."""


def as_if_it_had_not_left(delivery: Delivery, key: MessageKey, epoch: int = 1) -> None:
    """The worker died between the commit of the start and the first byte."""
    account = delivery.journal.entries[key, epoch].account_id
    delivery.journal.open(key, epoch, account)


async def test_what_was_started_and_never_left_goes_out_again(delivery: Delivery, second: Delivery) -> None:
    key = await submitted(delivery)
    async with stuck(delivery, started):
        as_if_it_had_not_left(delivery, key)

        assert await delivery.recover_crashed_sends() == 1

        message = await second.message(key)
        await make_due(second)
        await second.run()
    sent = await second.message(key)

    assert (message.state, message.attempts) == (State.QUEUED, 1)
    assert (sent.state, sent.epoch, len(second.gateway.sent)) == (State.SUBMITTED, 2, 1)
    assert not sent.possible_duplicate


async def test_what_had_left_stays_unclear(delivery: Delivery) -> None:
    key = await submitted(delivery)
    async with stuck(delivery, started):
        assert await delivery.recover_crashed_sends() == 0

        assert (await delivery.message(key)).state is State.SENDING


async def test_a_claim_without_a_start_is_left_to_its_lease(delivery: Delivery) -> None:
    """The lease counts who dies over the same message again and again."""
    key = await submitted(delivery)
    async with stuck(delivery, connecting):
        await delivery.recover_crashed_sends()

        message = await delivery.message(key)

    assert (message.state, message.attempts) == (State.CLAIMED, 0)


async def test_a_refusal_that_was_not_written_down_is(delivery: Delivery) -> None:
    key = await submitted(delivery)
    async with stuck(delivery, started):
        entry = delivery.journal.open(key, 1, delivery.journal.entries[key, 1].account_id)
        entry.failed(REFUSED)

        assert await delivery.recover_crashed_sends() == 1

    assert (await delivery.message(key)).state is State.FAILED


async def test_notes_about_an_earlier_try_change_nothing_of_a_later_one(delivery: Delivery, second: Delivery) -> None:
    key = await submitted(delivery)
    async with stuck(delivery, started):
        as_if_it_had_not_left(delivery, key)
        await delivery.recover_crashed_sends()
        await make_due(second)
        async with stuck(second, started):
            delivery.journal.open(key, 1, second.journal.entries[key, 2].account_id)

            await delivery.recover_crashed_sends()

            message = await second.message(key)

    assert (message.state, message.epoch) == (State.SENDING, 2)


async def test_notes_are_kept_while_the_store_is_away(delivery: Delivery) -> None:
    key = await submitted(delivery)
    async with stuck(delivery, started):
        as_if_it_had_not_left(delivery, key)
        delivery.refuse_transactions = True

        with pytest.raises(StoreUnavailable):
            await delivery.recover_crashed_sends()

        delivery.refuse_transactions = False
        assert await delivery.recover_crashed_sends() == 1


@pytest.mark.parametrize("answer", ["accepted", "refused"])
async def test_a_send_that_is_written_down_leaves_no_note(delivery: Delivery, answer: str) -> None:
    if answer == "refused":
        delivery.gateway.answer = delivery.gateway.started_then(REFUSED)
    await submitted(delivery)
    await delivery.run()

    assert delivery.journal.entries == {}
