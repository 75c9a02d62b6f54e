"""Transactions over messages in memory: the platform's, and those of a tenant in one mode."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Reach, TenantScope
from tests.fakes.attempts import InMemoryAttempts
from tests.fakes.awaited_messages import InMemoryAwaitedMessages
from tests.fakes.dead_letters import InMemoryDeadLetters
from tests.fakes.dispatches import InMemoryDispatches
from tests.fakes.due_messages import InMemoryDueMessages
from tests.fakes.failovers import InMemoryFailovers, InMemoryServer
from tests.fakes.lifecycles import InMemoryLifecycles
from tests.fakes.messages import InMemoryMessages, InMemoryTransaction
from tests.fakes.parked_receipts import InMemoryParkedReceipts
from tests.fakes.records import InMemoryRecords
from tests.fakes.selections import InMemorySelections
from tests.fakes.templates import InMemoryHeldMessages
from tests.fakes.unserved_messages import InMemoryUnservedMessages
from tests.fakes.vitals import InMemoryVitals


class InMemoryUnitOfWork:
    """The platform's transaction, with the roles of whoever delivers messages and follows them."""

    def __init__(
        self,
        opened: InMemoryTransaction,
        parked: InMemoryParkedReceipts,
        server: InMemoryServer,
    ) -> None:
        self._opened = opened
        self.lifecycles = InMemoryLifecycles(opened)
        self.attempts = InMemoryAttempts(opened)
        self.due_messages = InMemoryDueMessages(opened)
        self.dispatches = InMemoryDispatches(opened)
        self.unserved_messages = InMemoryUnservedMessages(opened)
        self.awaited_messages = InMemoryAwaitedMessages(opened)
        self.failovers = InMemoryFailovers(opened, server)
        self.parked_receipts = parked
        self.held_messages = InMemoryHeldMessages(opened)

    async def commit(self, *, durable: bool = True) -> None:
        self._opened.commit()


class InMemoryTenantUnitOfWork:
    """A tenant's transaction, with the roles of whoever reads messages or acts upon them."""

    def __init__(self, opened: InMemoryTransaction) -> None:
        self._opened = opened
        self.lifecycles = InMemoryLifecycles(opened)
        self.attempts = InMemoryAttempts(opened)
        self.records = InMemoryRecords(opened)
        self.dead_letters = InMemoryDeadLetters(opened)
        self.selections = InMemorySelections(opened)
        self.vitals = InMemoryVitals(opened)

    async def commit(self) -> None:
        self._opened.commit()


class InMemoryStore:
    """Opens units of work over its messages. While `away`, nobody reaches it."""

    def __init__(self, messages: InMemoryMessages | None = None) -> None:
        self.messages = messages or InMemoryMessages()
        self.parked_receipts = InMemoryParkedReceipts()
        self.server = InMemoryServer()
        self.away = False

    @asynccontextmanager
    async def open_uow(self) -> AsyncIterator[InMemoryUnitOfWork]:
        if self.away:
            raise StoreUnavailable
        async with self.messages.transaction() as opened:
            yield InMemoryUnitOfWork(opened, self.parked_receipts, self.server)

    @asynccontextmanager
    async def open_tenant_uow(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[InMemoryTenantUnitOfWork]:
        if self.away:
            raise StoreUnavailable
        async with self.messages.transaction(TenantScope(tenant_id, mode)) as opened:
            yield InMemoryTenantUnitOfWork(opened)
