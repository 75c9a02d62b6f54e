"""One process that delivers, on fakes: messages in memory, a scripted provider, limits and health in memory."""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from time import time
from typing import Any

import msgspec
from uuid_utils.compat import uuid7

from messaging.application.contacts.learn_aliases import Told
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.record_outcomes import RecordOutcomes
from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.messages.reading import payload
from messaging.application.messages.tracking.reconcile import ReconcileReceipts
from messaging.application.ports.send_journal import CrashedSend
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.ports.submissions import NewMessage
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import Change, Entry
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId, TenantId
from tests.builders import ACCOUNT, TENANT, a_message, a_snapshot, an_account
from tests.delivery import a_gate, deliver_messages
from tests.fakes.gateway import ScriptedGateway
from tests.fakes.installed import CAPABILITIES_OF
from tests.fakes.optimistic_writes import InMemoryOptimisticWrites
from tests.fakes.rate_limits import InMemoryRateLimits
from tests.fakes.send_journal import InMemorySendJournal
from tests.fakes.sender_health import InMemoryHealthRecords
from tests.fakes.snapshots import InMemorySnapshots
from tests.fakes.unit_of_work import InMemoryStore
from tests.unit.application.webhooks.doubles import CIPHER, CREDENTIALS, DATA_KEYS, KEY_RING, Counts, FixedClock

LANE = DeliverLane(Channel.WHATSAPP, Priority.DEFAULT)


class Snapshots(InMemorySnapshots):
    """One tenant whose account has credentials; nothing can be read while `away`."""

    def __init__(self, **changes: Any) -> None:
        sealed = seal_credentials(ACCOUNT, CREDENTIALS, CIPHER)
        account = an_account(sealed_credentials=sealed, **changes)
        super().__init__(a_snapshot(accounts=(account,), data_keys=DATA_KEYS))
        self.away = False

    async def tenant(self, id: TenantId) -> TenantSnapshot | None:
        if self.away:
            raise StoreUnavailable
        return await super().tenant(id)

    def change(self, **changes: Any) -> None:
        self.tenants[TENANT] = msgspec.structs.replace(self.tenants[TENANT], **changes)


class Writes(InMemoryOptimisticWrites):
    """Keeps what the journal said when each change was written; the first `moved` changes find their message moved."""

    def __init__(self, store: InMemoryStore, journal: InMemorySendJournal) -> None:
        super().__init__(store.messages, store.parked_receipts)
        self._store = store
        self._journal = journal
        self.noted: list[CrashedSend | None] = []
        self.moved = 0

    async def write(self, changes: Sequence[Change]) -> AbstractSet[MessageKey]:
        if self._store.away:
            raise StoreUnavailable
        self.noted += [self._journal.entries.get((change.key, change.epoch)) for change in changes]
        self.moved, left_out = max(0, self.moved - len(changes)), self.moved
        return await super().write(changes[left_out:])


class Delivery:
    """`told` are the aliases that were learnt."""

    def __init__(
        self,
        *,
        concurrency: int = 64,
        lease: timedelta = timedelta(seconds=30),
        slow_after: timedelta = timedelta(seconds=2),
    ) -> None:
        self.store = InMemoryStore()
        self.gateway = ScriptedGateway()
        self.limits = InMemoryRateLimits()
        self.snapshots = Snapshots()
        self.journal = InMemorySendJournal()
        self.writes = Writes(self.store, self.journal)
        self.records = InMemoryHealthRecords(clock=time)
        self.counts = Counts()
        self.told: list[Told] = []
        known = HealthCache(records=self.records, clock=FixedClock(), telemetry=self.counts, fresh_for=0)
        self.always = always = Snapshots()
        self.gate = a_gate(
            snapshots=always,
            limits=self.limits,
            breakers=CircuitBreakers(health=known, snapshots=always),
            telemetry=self.counts,
            concurrency=concurrency,
            slow_after=slow_after,
        )
        terms = DeliveryTerms(worker="w1", lease=lease)
        reconcile = ReconcileReceipts(
            snapshots=always, key_ring=KEY_RING, clock=FixedClock(), telemetry=self.counts, capabilities=CAPABILITIES_OF
        )
        self.deliver = deliver_messages(
            open_uow=self.store.open_uow,
            optimistic_writes=self.writes,
            rendered_from=self.snapshots,
            key_ring=KEY_RING,
            gateways={"whatsapp_cloud": self.gateway},
            gate=self.gate,
            record=RecordOutcomes(
                open_uow=self.store.open_uow,
                optimistic_writes=self.writes,
                reconcile=reconcile,
                terms=terms,
                telemetry=self.counts,
                capabilities=CAPABILITIES_OF,
            ),
            journal=self.journal,
            learn_alias=self._learn,
            terms=terms,
        )

    async def _learn(self, told: Told) -> None:
        self.told.append(told)

    def submit(self, **changes: Any) -> MessageKey:
        [key] = self.store.messages.accept([sealed_message(**changes)])
        return key

    async def run(self, lane: DeliverLane = LANE) -> int:
        """One batch, with all its sends ended."""
        taken = await self.deliver(lane)
        while self.deliver.under_way:
            await asyncio.sleep(0.001)
        return taken

    def state(self, key: MessageKey) -> MessageState:
        return self.store.messages.stored[key].at(self.store.messages.clock())

    def entries(self, key: MessageKey) -> tuple[Entry, ...]:
        return self.store.messages.stored[key].entries

    def states(self, *keys: MessageKey) -> list[State]:
        return [self.state(key).state for key in keys]

    def wait_of(self, key: MessageKey) -> timedelta:
        """How long from now until the message is due."""
        return self.store.messages.stored[key].due_at - self.store.messages.clock()

    def make_due(self) -> None:
        """As if the wait of every dispatch were over."""
        for key, stored in self.store.messages.stored.items():
            if stored.dispatch is not None:
                due = msgspec.structs.replace(stored.dispatch, due_at=self.store.messages.clock())
                self.store.messages.stored[key] = msgspec.structs.replace(stored, dispatch=due)


def sealed_message(*, packed: bytes | None = None, **changes: Any) -> NewMessage:
    """A template message to Ana; `packed` stands for content that is not what was accepted."""
    message = a_message(**({"id": MessageId(uuid7())} | changes))
    whole = payload.encode(payload.Payload(to=message.recipient, content=message.content, metadata={}))
    sealed = CIPHER.seal(payload.context(message.id), whole if packed is None else packed)
    return NewMessage(message=message, sealed=sealed, recipient_index=message.recipient.value.encode())
