"""The unit of work of the fan-out on Postgres."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.callbacks.pending import PostgresPending
from messaging.adapters.postgres.callbacks.stored_events import PostgresStoredEvents
from messaging.adapters.postgres.callbacks.subjects import PostgresSubjects
from messaging.adapters.postgres.session.transactions import Driver, Transaction, transaction
from messaging.application.ports.callbacks.fan_out import CallbackQueue, FanOutUnitOfWork


class PostgresFanOutUnitOfWork:
    """The platform's transaction, across tenants, within the grants of `messaging_system`."""

    def __init__(self, opened: Transaction, lanes: Callable[[Driver], CallbackQueue]) -> None:
        self._opened = opened
        self._lanes = lanes

    @cached_property
    def pending(self) -> PostgresPending:
        return PostgresPending(self._opened.driver)

    @cached_property
    def subjects(self) -> PostgresSubjects:
        return PostgresSubjects(self._opened)

    @cached_property
    def stored_events(self) -> PostgresStoredEvents:
        return PostgresStoredEvents(self._opened.driver)

    @cached_property
    def lanes(self) -> CallbackQueue:
        return self._lanes(self._opened.driver)

    async def commit(self, *, durable: bool = True) -> None:
        await self._opened.commit(durable=durable)


class PostgresFanOutFactory:
    """`open_fan_out()`, over the system engine. Entering and leaving raise StoreUnavailable when Postgres is away."""

    def __init__(self, engine: AsyncEngine, *, lanes: Callable[[Driver], CallbackQueue]) -> None:
        self._engine = engine
        self._lanes = lanes

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[FanOutUnitOfWork]:
        async with transaction(self._engine) as opened:
            yield PostgresFanOutUnitOfWork(opened, self._lanes)
