"""Is a server that may have forgotten something found out, and is whatever it may have sent kept from leaving again?"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from messaging.adapters.postgres.operations.health import PostgresHealth
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.messages.tracking.recover_failover import NoticeFailover, RecoverFailover
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageKey, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import Sent
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.errors import DomainError
from tests.builders import a_receipt
from tests.fakes.installed import CAPABILITIES_OF
from tests.seeding import a_new_message, accept, lock_due, seed_tenant

LANE = DeliverLane(channel=Channel.WHATSAPP, priority=Priority.DEFAULT)
LEASE = timedelta(seconds=30)
# What a row remembers after a promotion, and after a dump was loaded into another cluster.
SWITCHES = {"timeline": "timeline = timeline - 1", "system": "system_identifier = system_identifier - 1"}


@pytest.fixture(autouse=True)
async def _tenant(engines: Engines) -> None:
    await seed_tenant(engines)
    # Its row went with all others; migrations bring it.
    await execute(
        engines, "INSERT INTO platform_identity SELECT true, * FROM present_identity() ON CONFLICT DO NOTHING"
    )


async def execute(engines: Engines, statement: str) -> None:
    async with transaction(engines.system) as opened:
        await opened.driver.execute(statement)
        await opened.commit()


async def switch(engines: Engines, how: str = "timeline") -> None:
    await execute(engines, f"UPDATE platform_identity SET {SWITCHES[how]}")


async def recover_failover(engines: Engines) -> int:
    open_uow = PostgresSystemUnitOfWorkFactory(engines.system)
    return await RecoverFailover(
        open_uow=open_uow, notice=NoticeFailover(open_uow=open_uow), capabilities=CAPABILITIES_OF
    )()


async def claims_are_open(engines: Engines) -> bool:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        return await uow.failovers.claims_are_open()


async def claim(engines: Engines, *, start: bool = False) -> Sequence[MessageKey]:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        due = [item.message for item in await lock_due(uow.due_messages, LANE)]
        changes = [lifecycle.take_up(message, worker="w1", lease=LEASE) for message in due]
        await uow.lifecycles.apply([change for change in changes if change is not None])
        keys = [message.key for message in due]
        if start:
            messages = (await uow.lifecycles.lock(keys)).values()
            started = [lifecycle.start(one, epoch=1, worker="w1", lease=LEASE) for one in messages]
            await uow.lifecycles.apply([change for change in started if change is not None])
        await uow.commit()
    return keys


async def message(engines: Engines, key: MessageKey) -> MessageState:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        return (await uow.lifecycles.lock([key]))[key]


@pytest.mark.parametrize("how", SWITCHES)
async def test_on_another_server_nothing_is_claimed_until_everything_in_doubt_is_put_aside(
    engines: Engines, how: str
) -> None:
    keys = await accept(engines, [a_new_message() for _ in range(3)])
    assert await claims_are_open(engines)
    await switch(engines, how)
    assert not await claims_are_open(engines)

    assert await recover_failover(engines) == 3

    assert await claims_are_open(engines)
    assert await claim(engines) == []
    assert {(await message(engines, key)).state for key in keys} == {State.UNKNOWN}
    assert await recover_failover(engines) == 0


async def test_claimed_and_started_messages_are_in_doubt_too(engines: Engines) -> None:
    [started] = await accept(engines, [a_new_message()])
    assert await claim(engines, start=True) == [started]
    [claimed] = await accept(engines, [a_new_message()])
    assert await claim(engines) == [claimed]
    await switch(engines)

    assert await recover_failover(engines) == 2

    for key in (started, claimed):
        found = await message(engines, key)
        assert (found.state, found.epoch) == (State.UNKNOWN, 1)
        assert found.attempt is not None
        assert (found.attempt.phase, found.attempt.outcome) == (Phase.UNKNOWN, Outcome.UNKNOWN)
        # The worker that held it wakes up and asks whether it may send.
        assert lifecycle.start(found, epoch=1, worker="w1", lease=LEASE) is None


async def test_what_cannot_have_been_sent_stays_where_it_is(engines: Engines) -> None:
    later = a_new_message(state=State.SCHEDULED, send_at=datetime(2100, 1, 1, tzinfo=UTC))
    [scheduled] = await accept(engines, [later])
    await switch(engines)
    assert await NoticeFailover(open_uow=PostgresSystemUnitOfWorkFactory(engines.system))()
    [accepted_since] = await accept(engines, [a_new_message()])

    assert await recover_failover(engines) == 0

    assert (await message(engines, scheduled)).state is State.SCHEDULED
    assert await claim(engines) == [accepted_since]


async def test_a_scheduled_message_whose_time_had_come_may_have_been_sent(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message(state=State.SCHEDULED, send_at=datetime(2026, 1, 1, tzinfo=UTC))])
    await execute(engines, "UPDATE dispatches SET due_at = clock_timestamp() - interval '1 hour'")
    await switch(engines)

    assert await recover_failover(engines) == 1

    assert (await message(engines, key)).state is State.UNKNOWN


async def test_an_echo_or_a_late_outcome_of_the_forgotten_send_settles_it(engines: Engines) -> None:
    echoed, concluded = await accept(engines, [a_new_message(), a_new_message()])
    await switch(engines)
    await recover_failover(engines)

    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        messages = await uow.lifecycles.lock([echoed, concluded])
        receipt = a_receipt(ReceiptKind.DELIVERED, provider_message_id="wamid.echo")
        sent = Sent(provider_message_id="wamid.late")
        await uow.lifecycles.apply(
            [
                lifecycle.receive(messages[echoed], [(1, receipt)]),
                lifecycle.conclude(messages[concluded], epoch=1, result=sent),
            ]
        )
        await uow.commit()

    for key, state, wamid in ((echoed, State.DELIVERED, "wamid.echo"), (concluded, State.SUBMITTED, "wamid.late")):
        found = await message(engines, key)
        assert found.state is state
        assert found.attempt is not None
        assert (found.attempt.outcome, found.attempt.provider_message_id) == (Outcome.ACCEPTED, wamid)


async def test_without_an_echo_only_a_person_who_accepts_the_risk_sends_it_again(engines: Engines) -> None:
    [key] = await accept(engines, [a_new_message()])
    await switch(engines)
    await recover_failover(engines)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        change = lifecycle.resolve_unknown((await uow.lifecycles.lock([key]))[key])
        assert change is not None
        await uow.lifecycles.apply([change])
        await uow.commit()

    found = await message(engines, key)
    assert found.state is State.UNCONFIRMED
    with pytest.raises(DomainError, match="possible_duplicate"):
        lifecycle.requeue(found, by="key_1")
    assert lifecycle.requeue(found, by="key_1", possible_duplicate=True).possible_duplicate


async def test_while_one_worker_settles_it_the_others_wait(engines: Engines) -> None:
    await accept(engines, [a_new_message()])
    await switch(engines)
    open_uow = PostgresSystemUnitOfWorkFactory(engines.system)
    assert await NoticeFailover(open_uow=open_uow)()

    async with open_uow() as first:
        assert await first.failovers.take_turn()
        assert await recover_failover(engines) == 0
        assert not await claims_are_open(engines)

    assert await recover_failover(engines) == 1


async def test_readiness_tells_which_server_it_is_and_that_a_switch_is_not_settled(engines: Engines) -> None:
    async def identity() -> str:
        [check] = [check for check in await PostgresHealth(engines.system).checks() if check.name == "identity"]
        assert check.ok
        return check.detail

    assert (await identity()).endswith("timeline 1")
    await switch(engines)
    assert "nothing is claimed" in await identity()
