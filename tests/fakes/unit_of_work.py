"""One transaction over messages in memory, with every role of whoever delivers and follows them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from messaging.application.ports.unit_of_work import StoreUnavailable
from tests.fakes.attempts import InMemoryAttempts
from tests.fakes.awaited_messages import InMemoryAwaitedMessages
from tests.fakes.dispatches import InMemoryDispatches
from tests.fakes.due_messages import InMemoryDueMessages
from tests.fakes.failovers import InMemoryFailovers, InMemoryServer
from tests.fakes.lifecycles import InMemoryLifecycles
from tests.fakes.messages import InMemoryMessages, InMemoryTransaction
from tests.fakes.parked_receipts import InMemoryParkedReceipts
from tests.fakes.unserved_messages import InMemoryUnservedMessages


class InMemoryUnitOfWork:
    def __init__(self, opened: InMemoryTransaction, parked: InMemoryParkedReceipts, server: InMemoryServer) -> None:
        self._opened = opened
        self.lifecycles = InMemoryLifecycles(opened)
        self.attempts = InMemoryAttempts(opened)
        self.due_messages = InMemoryDueMessages(opened)
        self.dispatches = InMemoryDispatches(opened)
        self.unserved_messages = InMemoryUnservedMessages(opened)
        self.awaited_messages = InMemoryAwaitedMessages(opened)
        self.failovers = InMemoryFailovers(opened, server)
        self.parked_receipts = parked

    async def commit(self, *, durable: bool = True) -> None:
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
