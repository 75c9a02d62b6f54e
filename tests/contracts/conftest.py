"""The two stores of messages that every contract of a message port is run on."""

import asyncio
from collections.abc import Sequence

import pytest

from messaging.adapters.postgres.messages.optimistic_writes import PostgresOptimisticWrites
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.submissions import NewMessage
from messaging.domain.messages.message_state import MessageKey
from tests.contracts.stores import MessageStore, turns_of_the_loop
from tests.fakes.optimistic_writes import InMemoryOptimisticWrites
from tests.fakes.unit_of_work import InMemoryStore
from tests.seeding import accept, seed_other_tenant, seed_tenant


@pytest.fixture(params=["in_memory_store", "postgres_store"])
def store(request: pytest.FixtureRequest) -> MessageStore:
    found: MessageStore = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def in_memory_store() -> MessageStore:
    fake = InMemoryStore()

    async def accept_all(messages: Sequence[NewMessage]) -> Sequence[MessageKey]:
        return fake.messages.accept(messages)

    async def switch() -> None:
        fake.server.switch()

    writes = InMemoryOptimisticWrites(fake.messages, fake.parked_receipts)
    return MessageStore(
        accept=accept_all,
        open_uow=fake.open_uow,
        open=fake.open_tenant_uow,
        writes=writes,
        somebody_waits=turns_of_the_loop,
        switch=switch,
    )


@pytest.fixture
async def postgres_store(engines: Engines) -> MessageStore:
    await seed_tenant(engines)
    await seed_other_tenant(engines)

    async def accept_all(messages: Sequence[NewMessage]) -> Sequence[MessageKey]:
        return await accept(engines, messages)

    async def somebody_waits() -> None:
        async with transaction(engines.system) as opened, asyncio.timeout(60):
            while not await opened.driver.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                await asyncio.sleep(0.01)

    async def switch() -> None:
        async with transaction(engines.system) as opened:
            await opened.driver.execute("UPDATE platform_identity SET timeline = timeline - 1")
            await opened.commit()

    # Its row went with all others; migrations bring it.
    async with transaction(engines.system) as opened:
        await opened.driver.execute(
            "INSERT INTO platform_identity SELECT true, * FROM present_identity() ON CONFLICT DO NOTHING"
        )
        await opened.commit()

    return MessageStore(
        accept=accept_all,
        open_uow=PostgresSystemUnitOfWorkFactory(engines.system),
        open=PostgresUnitOfWorkFactory(engines.app),
        writes=PostgresOptimisticWrites(engines.system),
        somebody_waits=somebody_waits,
        switch=switch,
    )
