"""What does delivery do around the provider's call: before the first byte, and with whatever comes back?

Real Postgres and real encryption; the gateway is scripted, because it is what misbehaves.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from messaging.adapters.crypto.keyring import AesKeyRing
from messaging.adapters.postgres.engine import Engines
from messaging.adapters.postgres.snapshots import PostgresSnapshots
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.jobs import DeliverLane
from messaging.application.messages import payload
from messaging.application.messages.deliver import DeliverMessages
from messaging.application.messages.delivery_terms import DeliveryTerms
from messaging.application.messages.outgoing import RenderOutgoing
from messaging.application.messages.reconcile import ReconcileReceipts
from messaging.application.ports.providers import (
    Connection,
    Credentials,
    NotStarted,
    Outgoing,
    ProviderNumber,
    ProviderTemplate,
)
from messaging.application.ports.submissions import NewMessage
from messaging.application.ports.unit_of_work import StoreUnavailable, SystemUnitOfWork
from messaging.application.tenants.connections import seal_credentials
from messaging.domain.messages.message import Priority
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.retry import Rejected, Scope, SendResult, Sent, Throttled, Uncertain
from messaging.domain.messages.standing import MessageKey, Phase, Standing
from messaging.domain.messages.state import State
from messaging.domain.shared.address import Channel
from messaging.domain.shared.ids import MessageId, SenderId
from messaging.domain.templates.template import Template, TemplateStatus
from messaging.entrypoints.composition.clock import SystemClock
from tests import builders
from tests.builders import ACCOUNT, SENDER, TENANT
from tests.fakes.rate_limits import InMemoryRateLimits
from tests.seeding import a_new_message, accept
from tests.unit.application.inbox.doubles import Counts

LANE = DeliverLane(Channel.WHATSAPP, Priority.DEFAULT)
RING = AesKeyRing(b"m" * 32)
KEYS = (RING.new_data_key(TENANT),)
BUSY_SENDER = SenderId(uuid7())

Answer = Callable[[Outgoing, Callable[[], Awaitable[bool]]], Awaitable[SendResult | NotStarted]]


class ScriptedGateway:
    """Answers with `answer`; by default every message is accepted at once. `sent` are those that got so far."""

    def __init__(self) -> None:
        self.answer: Answer = self.accept
        self.sent: list[Outgoing] = []

    async def send(self, outgoing: Outgoing, *, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        return await self.answer(outgoing, may_start)

    async def accept(self, outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        if not await may_start():
            return NotStarted()
        self.sent.append(outgoing)
        return Sent(provider_message_id=f"wamid.{len(self.sent)}.{outgoing.reference}")

    def started_then(self, result: SendResult) -> Answer:
        async def answer(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
            return result if await may_start() else NotStarted()

        return answer

    @property
    def has_history(self) -> bool:
        return False

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        raise AssertionError("delivery asks for no history")

    async def list_templates(self, connection: Connection) -> Sequence[ProviderTemplate]:
        raise AssertionError("delivery lists no templates")

    async def create_template(self, connection: Connection, template: Template) -> ProviderTemplate:
        raise AssertionError("delivery creates no templates")

    async def list_numbers(self, connection: Connection) -> Sequence[ProviderNumber]:
        raise AssertionError("delivery lists no numbers")


class Delivery:
    """Everything delivery works with, and a look at where its messages stand."""

    def __init__(self, engines: Engines, *, places: int = 64) -> None:
        self.engines = engines
        self.gateway = ScriptedGateway()
        self.limits = InMemoryRateLimits()
        self.refuse_transactions = False
        self.open = PostgresSystemUnitOfWorkFactory(engines.system)
        snapshots = PostgresSnapshots(engines.system)
        telemetry = Counts()
        self.deliver = DeliverMessages(
            open_uow=self.open_uow,
            snapshots=snapshots,
            render=RenderOutgoing(snapshots=snapshots, key_ring=RING),
            gateways={"whatsapp_cloud": self.gateway},
            limits=self.limits,
            reconcile=ReconcileReceipts(snapshots=snapshots, key_ring=RING, clock=SystemClock(), telemetry=telemetry),
            telemetry=telemetry,
            terms=DeliveryTerms(worker="worker-1", concurrency=places),
        )

    @asynccontextmanager
    async def open_uow(self) -> AsyncIterator[SystemUnitOfWork]:
        if self.refuse_transactions:
            raise StoreUnavailable
        async with self.open() as uow:
            yield uow

    async def run(self) -> int:
        """One batch, with all its sends ended."""
        taken = await self.deliver(LANE)
        while self.deliver.under_way:
            await asyncio.sleep(0.005)
        return taken

    async def standing(self, key: MessageKey) -> Standing:
        async with self.open() as uow:
            return (await uow.lifecycles.lock([key]))[key]


@pytest.fixture
async def delivery(engines: Engines) -> Delivery:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as system:
        await system.platform.add_tenant(builders.a_tenant(), KEYS[0])
        await system.commit()
    cipher = RING.cipher(TENANT, KEYS)
    sealed = seal_credentials(ACCOUNT, Credentials(access_token="t0ken"), cipher)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT) as uow:
        await uow.configuration.add_account(builders.an_account(sealed_credentials=sealed))
        await uow.configuration.add_sender(builders.a_sender())
        await uow.configuration.add_sender(builders.a_sender(id=BUSY_SENDER, external_id="106540352242923"))
        await uow.configuration.add_template(builders.a_template())
        await uow.commit()
    return Delivery(engines)


async def submitted(delivery: Delivery, **changes: object) -> MessageKey:
    (key,) = await accept(delivery.engines, [sealed_message(**changes)])
    return key


def sealed_message(**changes: object) -> NewMessage:
    new = a_new_message(id=MessageId(uuid7()), **changes)
    packed = payload.encode(payload.Payload(to=new.message.recipient, content=new.message.content, metadata={}))
    sealed = RING.cipher(TENANT, KEYS).seal(payload.context(new.message.id), packed)
    return NewMessage(message=new.message, sealed=sealed, recipient_index=new.recipient_index)


async def test_the_start_is_durable_before_the_first_byte(delivery: Delivery) -> None:
    key = await submitted(delivery)
    seen: list[tuple[State, Phase | None]] = []

    async def look(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        for _ in range(2):
            standing = await delivery.standing(key)
            seen.append((standing.state, standing.attempt.phase if standing.attempt else None))
            if len(seen) == 1:
                assert await may_start()
        return Sent(provider_message_id="wamid.1")

    delivery.gateway.answer = look
    await delivery.run()

    assert seen == [(State.CLAIMED, Phase.CLAIMED), (State.SENDING, Phase.STARTED)]
    assert (await delivery.standing(key)).state is State.SUBMITTED


async def test_an_unclear_outcome_is_not_tried_again(delivery: Delivery) -> None:
    key = await submitted(delivery)
    delivery.gateway.answer = delivery.gateway.started_then(Uncertain(reason="no answer came"))

    await delivery.run()

    assert (await delivery.standing(key)).state is State.UNKNOWN
    assert await delivery.run() == 0


async def test_throttling_pauses_the_sender_and_uses_up_no_attempt(delivery: Delivery) -> None:
    key = await submitted(delivery)
    wait = timedelta(seconds=7)
    delivery.gateway.answer = delivery.gateway.started_then(
        Throttled(code="130429", reason="too fast", scope=Scope.SENDER, retry_after=wait)
    )

    await delivery.run()

    standing = await delivery.standing(key)
    assert (standing.state, standing.attempts) == (State.QUEUED, 0)
    allowed = await delivery.limits.take([(SENDER, 1, 80.0)])
    assert allowed[SENDER].granted == 0


async def test_what_the_adapter_itself_cannot_express_is_a_dead_letter(delivery: Delivery) -> None:
    key = await submitted(delivery)

    async def refuse(outgoing: Outgoing, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        return Rejected(code="not_expressible", reason="no such content here")

    delivery.gateway.answer = refuse
    await delivery.run()

    assert (await delivery.standing(key)).state is State.DEAD


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
    assert (await delivery.standing(key)).state is State.QUEUED


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

    assert sorted([(await delivery.standing(key)).state for key in keys]) == [State.QUEUED, State.SUBMITTED]
    assert await delivery.deliver(LANE) == 0


async def test_a_configuration_that_contradicts_is_believed_only_after_it_had_time_to_follow(
    delivery: Delivery,
) -> None:
    key = await submitted(delivery)
    async with PostgresUnitOfWorkFactory(delivery.engines.app)(TENANT) as uow:
        await uow.configuration.update_template(builders.a_template(status=TemplateStatus.REJECTED))
        await uow.commit()

    states = []
    for _ in range(3):
        await make_due(delivery)
        await delivery.run()
        states.append((await delivery.standing(key)).state)

    assert states == [State.QUEUED, State.QUEUED, State.DEAD]
    assert delivery.gateway.sent == []


async def test_a_backlog_of_one_sender_leaves_places_to_the_others(engines: Engines, delivery: Delivery) -> None:
    small = Delivery(engines, places=8)
    await accept(engines, [sealed_message(sender_id=BUSY_SENDER) for _ in range(50)])
    await accept(engines, [sealed_message() for _ in range(2)])

    await small.run()

    assert sum(sent.sender_external_id == builders.PHONE_NUMBER_ID for sent in small.gateway.sent) == 2


async def make_due(delivery: Delivery) -> None:
    """As if the wait of every dispatch were over."""
    async with delivery.engines.system.connect() as connection:
        await connection.exec_driver_sql("UPDATE dispatches SET due_at = clock_timestamp() - interval '1 second'")


async def _yes() -> bool:
    return True
