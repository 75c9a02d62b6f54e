"""What a test of delivery works with: a scripted gateway, one process that delivers, and its messages.

Real Postgres and real encryption; the gateway is scripted, because it is what misbehaves.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic, time
from typing import Any

from uuid_utils.compat import uuid7

from messaging.adapters.crypto.keyring import AesKeyRing
from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.messages.optimistic_writes import PostgresOptimisticWrites
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.contacts.learn_aliases import LearnAliases
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.outgoing import RenderOutgoing
from messaging.application.messages.delivering.record_outcomes import RecordOutcomes
from messaging.application.messages.delivering.recover_crashed_sends import RecoverCrashedSends
from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.messages.pacing.send_slots import MoreSlots, Slot
from messaging.application.messages.reading import payload
from messaging.application.messages.reading.own_content import RenderPinned
from messaging.application.messages.resolving.inquire import Inquire
from messaging.application.messages.resolving.resolve_unknown import ResolveUnknown, UnclearTerms
from messaging.application.messages.tracking.expire_held import ExpireHeld
from messaging.application.messages.tracking.reconcile import ReconcileReceipts
from messaging.application.ports.due_messages import Due
from messaging.application.ports.sender_health import HealthRecords
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.ports.submissions import NewMessage
from messaging.application.ports.unit_of_work import StoreUnavailable, SystemUnitOfWork
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import ECHO_GRACE, Priority
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.shared.ids import MessageId, SenderId, TenantId
from messaging.entrypoints.composition.clock import SystemClock
from tests.builders import TENANT
from tests.delivery import a_gate, deliver_messages, resolving
from tests.fakes.gateway import ScriptedGateway
from tests.fakes.installed import CAPABILITIES_OF, CREDENTIALS_OF, all_can
from tests.fakes.own_templates import InMemoryOwnRoles
from tests.fakes.rate_limits import InMemoryRateLimits
from tests.fakes.send_journal import InMemorySendJournal
from tests.fakes.sender_health import InMemoryHealthRecords
from tests.seeding import a_new_message, accept
from tests.unit.application.webhooks.doubles import Counts

LANE = DeliverLane(Channel.WHATSAPP, Priority.DEFAULT)
RING = AesKeyRing(b"m" * 32)
KEYS = (RING.new_data_key(TENANT),)
BUSY_SENDER = SenderId(uuid7())


class RefusableOptimisticWrites(PostgresOptimisticWrites):
    """Postgres itself, unless it is to be away."""

    def __init__(self, engines: Engines, *, is_refused: Callable[[], bool]) -> None:
        super().__init__(engines.system)
        self._is_refused = is_refused

    async def write(self, changes: Sequence[Change]) -> AbstractSet[MessageKey]:
        if self._is_refused():
            raise StoreUnavailable
        return await super().write(changes)


class RefusableSnapshots(PostgresSnapshots):
    """Another reader of the same snapshots, unless Postgres is to be away for it."""

    def __init__(self, engines: Engines, of: PostgresSnapshots) -> None:
        super().__init__(engines.system)
        self._of = of
        self.refused = False

    async def tenant(self, tenant_id: TenantId) -> TenantSnapshot | None:
        if self.refused:
            raise StoreUnavailable
        return await self._of.tenant(tenant_id)


class Delivery:
    """One process that delivers, and a look at where its messages stand. Those that share `records` know the same."""

    def __init__(
        self,
        engines: Engines,
        *,
        records: HealthRecords | None = None,
        worker: str = "worker-1",
        concurrency: int = 64,
        slow_after: timedelta = timedelta(seconds=2),
        can: Capabilities | None = None,
    ) -> None:
        self.engines = engines
        self.gateway = ScriptedGateway()
        self.limits = InMemoryRateLimits()
        self.refuse_transactions = False
        self.open = PostgresSystemUnitOfWorkFactory(engines.system)
        self.snapshots = snapshots = PostgresSnapshots(engines.system)
        self.read_when_rendering = RefusableSnapshots(engines, snapshots)
        self.telemetry = telemetry = Counts()
        capabilities = CAPABILITIES_OF if can is None else all_can(can)
        self.records = records or InMemoryHealthRecords(clock=time)
        known = HealthCache(records=self.records, clock=SystemClock(), telemetry=telemetry, fresh_for=0)
        self.breakers = CircuitBreakers(health=known, snapshots=snapshots)
        self.expire_held = ExpireHeld(open_uow=self.open_uow, breakers=self.breakers, capabilities=capabilities)
        self.capabilities = capabilities
        self.reconcile = reconcile = ReconcileReceipts(
            snapshots=snapshots, key_ring=RING, clock=SystemClock(), telemetry=telemetry, capabilities=capabilities
        )
        terms = DeliveryTerms(worker=worker)
        self.journal = InMemorySendJournal()
        self.optimistic_writes = RefusableOptimisticWrites(engines, is_refused=lambda: self.refuse_transactions)
        record = RecordOutcomes(
            open_uow=self.open_uow,
            optimistic_writes=self.optimistic_writes,
            reconcile=reconcile,
            terms=terms,
            telemetry=telemetry,
            capabilities=capabilities,
        )
        self.recover_crashed_sends = RecoverCrashedSends(journal=self.journal, record=record)
        self.gate = a_gate(
            snapshots=snapshots,
            limits=self.limits,
            breakers=self.breakers,
            telemetry=telemetry,
            concurrency=concurrency,
            slow_after=slow_after,
        )
        self.deliver = deliver_messages(
            open_uow=self.open_uow,
            optimistic_writes=self.optimistic_writes,
            rendered_from=self.read_when_rendering,
            key_ring=RING,
            gateways={"whatsapp_cloud": self.gateway},
            gate=self.gate,
            record=record,
            journal=self.journal,
            learn_alias=LearnAliases(open_uow=self.open_uow, snapshots=snapshots, key_ring=RING, telemetry=telemetry),
            terms=terms,
        )

    @asynccontextmanager
    async def open_uow(self) -> AsyncIterator[SystemUnitOfWork]:
        if self.refuse_transactions:
            raise StoreUnavailable
        async with self.open() as uow:
            yield uow

    def resolving(self, more_slots: MoreSlots | None = None, *, per_hour: int = 1_000) -> ResolveUnknown:
        """Looks at unclear sends, for which the gateway is asked too."""
        inquire = Inquire(
            render=RenderOutgoing(
                credentials=CREDENTIALS_OF,
                snapshots=self.snapshots,
                key_ring=RING,
                gateways={"whatsapp_cloud": self.gateway},
                render_pinned=RenderPinned(open_uow=InMemoryOwnRoles().open),
            ),
            lookups={"whatsapp_cloud": self.gateway},
            more_slots=more_slots or a_slot_at_once,
            within=timedelta(minutes=2),
            per_hour=per_hour,
        )
        terms = UnclearTerms(grace=ECHO_GRACE)
        return resolving(
            *(self.open_uow, self.telemetry, terms),
            capabilities=self.capabilities,
            inquire=inquire,
            reconcile=self.reconcile,
        )

    async def run(self) -> int:
        """One batch, with all its sends ended."""
        taken = await self.deliver(LANE)
        while self.deliver.under_way:
            await asyncio.sleep(0.005)
        return taken

    async def message(self, key: MessageKey) -> MessageState:
        async with self.open() as uow:
            return (await uow.lifecycles.lock([key]))[key]


async def a_slot_at_once(late: Sequence[Due]) -> Sequence[Slot]:
    return [Slot(monotonic(), monotonic() + 60) for _ in late]


async def submitted(delivery: Delivery, **changes: Any) -> MessageKey:
    (key,) = await accept(delivery.engines, [sealed_message(**changes)])
    return key


def sealed_message(*, recipient_index: bytes | None = None, **changes: Any) -> NewMessage:
    new = a_new_message(id=MessageId(uuid7()), **changes)
    packed = payload.encode(payload.Payload(to=new.message.recipient, content=new.message.content, metadata={}))
    sealed = RING.cipher(TENANT, KEYS).seal(payload.context(new.message.id), packed)
    return NewMessage(message=new.message, sealed=sealed, recipient_index=recipient_index or new.recipient_index)


async def make_due(delivery: Delivery) -> None:
    """As if the wait of every dispatch were over."""
    async with delivery.engines.system.connect() as connection:
        await connection.exec_driver_sql("UPDATE dispatches SET due_at = clock_timestamp() - interval '1 second'")
