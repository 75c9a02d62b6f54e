"""What becomes of the messages of a sender that is held, slowed or stopped with its account?"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application.ports.providers.sending import NotStarted, Outgoing
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Scope, SendResult, Throttled, Uncertain, Unreachable
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.mode import Mode
from tests import builders
from tests.builders import ACCOUNT, SENDER, TENANT
from tests.fakes.sender_health import InMemoryHealthRecords
from tests.integration.delivery.delivering import (
    BUSY_SENDER,
    KEYS,
    LANE,
    RING,
    Delivery,
    make_due,
    sealed_message,
    submitted,
)
from tests.journeys.platform import eventually
from tests.seeding import accept

TOKEN = "t0ken"
UNREACHABLE = Unreachable(reason="Connection refused.")


@pytest.fixture
def records(delivery: Delivery) -> InMemoryHealthRecords:
    assert isinstance(delivery.records, InMemoryHealthRecords)
    return delivery.records


async def states(delivery: Delivery, keys: list[MessageKey]) -> list[State]:
    return [(await delivery.message(key)).state for key in keys]


async def rotate(delivery: Delivery) -> None:
    sealed = seal_credentials(ACCOUNT, Credentials(access_token="an0ther", app_secrets=()), RING.cipher(TENANT, KEYS))
    async with PostgresUnitOfWorkFactory(delivery.engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.accounts.update_account(builders.an_account(sealed_credentials=sealed))
        await uow.commit()
    # As the watcher of the snapshots does twice a second.
    await delivery.snapshots.look()


async def test_an_open_breaker_leaves_messages_and_their_attempts_untouched(
    delivery: Delivery, records: InMemoryHealthRecords
) -> None:
    delivery.gateway.answer = delivery.gateway.started_then(Uncertain(reason="no answer"))
    lost = [await submitted(delivery) for _ in range(5)]
    await delivery.run()
    waiting = [await submitted(delivery) for _ in range(20)]

    taken = [await delivery.run() for _ in range(3)]

    assert taken == [0, 0, 0]
    assert await states(delivery, lost) == [State.UNKNOWN] * 5
    messages = [await delivery.message(key) for key in waiting]
    assert {(it.state, it.epoch, it.attempts) for it in messages} == {(State.QUEUED, 0, 0)}


async def test_after_an_outage_one_message_is_tried_and_then_all_go(
    delivery: Delivery, records: InMemoryHealthRecords
) -> None:
    delivery.gateway.answer = delivery.gateway.started_then(UNREACHABLE)
    keys = [await submitted(delivery) for _ in range(5)]
    await delivery.run()
    await make_due(delivery)
    delivery.gateway.answer = delivery.gateway.accept
    delivery.limits.now += 600
    records.passed += 1

    probe = await delivery.run()
    rest = await delivery.run()

    assert (probe, rest) == (1, 4)
    assert await states(delivery, keys) == [State.SUBMITTED] * 5


async def test_a_revoked_token_fails_nothing_and_all_go_once_it_is_rotated(delivery: Delivery) -> None:
    delivery.gateway.answer = delivery.gateway.by_token(TOKEN)
    met = [await submitted(delivery) for _ in range(3)]
    await delivery.run()
    keys = met + [await submitted(delivery, sender_id=sender) for sender in (SENDER, BUSY_SENDER)]
    await make_due(delivery)
    held = await delivery.run()
    messages = [await delivery.message(key) for key in keys]

    await rotate(delivery)
    await make_due(delivery)

    async def all_sent() -> bool | None:
        delivery.limits.now += 600
        await delivery.run()
        return await states(delivery, keys) == [State.SUBMITTED] * 5 or None

    await eventually(all_sent, within=60, what="not everything went after the rotation")
    assert held == 0
    assert {(it.state, it.attempts, it.checks) for it in messages} == {(State.QUEUED, 0, 0)}


async def test_what_one_process_learns_holds_for_the_other(engines: Engines, delivery: Delivery) -> None:
    other = Delivery(engines, records=delivery.records, worker="worker-2")
    delivery.gateway.answer = delivery.gateway.by_token(TOKEN)
    await submitted(delivery)
    await delivery.run()
    key = await submitted(delivery)

    assert await other.run() == 0
    assert (await other.message(key)).epoch == 0


async def test_a_sender_that_was_too_fast_goes_on_slower(delivery: Delivery, records: InMemoryHealthRecords) -> None:
    delivery.gateway.answer = delivery.gateway.started_then(
        Throttled(code="130429", reason="too fast", scope=Scope.SENDER, retry_after=timedelta(seconds=1))
    )
    keys = [await submitted(delivery) for _ in range(20)]
    storm = await delivery.run()
    delivery.gateway.answer = delivery.gateway.accept
    await make_due(delivery)
    delivery.limits.now += 600
    records.passed += 1

    # Until this process has heard that the pause is over.
    while not (slower := await delivery.run()):
        await asyncio.sleep(0.05)

    # The slots of a quarter of a second, of which this process knows that some are gone.
    assert storm == 18
    assert 0 < slower <= 0.7 * 18
    assert [(await delivery.message(key)).attempts for key in keys].count(1) == slower


async def test_messages_of_a_held_sender_expire_on_time(delivery: Delivery) -> None:
    delivery.gateway.answer = delivery.gateway.by_token(TOKEN)
    await submitted(delivery)
    await delivery.run()
    in_the_past = builders.NOON
    expired = await submitted(delivery, expires_at=in_the_past)
    valid = await submitted(delivery)

    taken = await delivery.run()
    ended = await delivery.expire_held()

    assert (taken, ended) == (0, 1)
    assert await states(delivery, [expired, valid]) == [State.EXPIRED, State.QUEUED]


async def test_what_a_lost_worker_held_is_given_up_although_its_sender_is_held(delivery: Delivery) -> None:
    lost = await submitted(delivery)
    async with delivery.open_uow() as uow:
        message = (await uow.lifecycles.lock([lost]))[lost]
        claim = lifecycle.take_up(message, worker="lost", lease=timedelta(seconds=30))
        assert claim is not None
        await uow.lifecycles.apply([claim])
        await uow.commit()
    delivery.gateway.answer = delivery.gateway.by_token(TOKEN)
    waiting = await submitted(delivery)
    await delivery.run()

    too_early = await delivery.expire_held()
    await make_due(delivery)
    taken = await delivery.run()
    moved = await delivery.expire_held()

    assert (too_early, taken, moved) == (0, 0, 1)
    assert await states(delivery, [lost, waiting]) == [State.QUEUED] * 2
    assert (await delivery.message(lost)).claim_failures == 1


async def test_while_nobody_is_held_nothing_is_looked_for(delivery: Delivery) -> None:
    delivery.refuse_transactions = True

    assert await delivery.expire_held() == 0


async def test_a_sender_that_hangs_keeps_nobody_from_sending(engines: Engines, delivery: Delivery) -> None:
    process = Delivery(engines, concurrency=8, slow_after=timedelta(milliseconds=1))
    let_end = asyncio.Event()

    async def hang(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        if outgoing.sender_external_id != builders.PHONE_NUMBER_ID:
            await let_end.wait()
        return await process.gateway.accept(outgoing, may_start)

    process.gateway.answer = hang
    await accept(engines, [sealed_message(sender_id=BUSY_SENDER) for _ in range(20)])
    hanging = await process.deliver(LANE)
    key = await submitted(process)

    async def sent() -> bool | None:
        process.limits.now += 60
        await process.deliver(LANE)
        left = (await process.message(key)).state is State.SUBMITTED
        return (left and process.deliver.under_way == hanging) or None

    await eventually(sent, within=60, what="the message of the other sender never left")
    let_end.set()
    await process.deliver.drain()
