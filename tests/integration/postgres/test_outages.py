"""What happens to our transactions when the server goes away, refuses, waits or the caller gives up?"""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from messaging.adapters.postgres.messages.submissions import PostgresSubmissions
from messaging.adapters.postgres.session.engine import Engines, create_engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.submissions import Stored
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres, Shutdown
from tests.builders import TENANT, a_tenant
from tests.conftest import Stoppable
from tests.seeding import an_acceptance, seed_tenant


async def test_nobody_listening_is_unavailable() -> None:
    engines = create_engines("postgresql://nobody@127.0.0.1:1/nothing")

    with pytest.raises(StoreUnavailable):
        await PostgresSubmissions(engines.app).accept_many([an_acceptance()])
    with pytest.raises(StoreUnavailable):
        async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
            await uow.platform.tenant(TENANT)

    await engines.dispose()


@pytest.mark.parametrize("how", list(Shutdown))
async def test_the_pools_heal_after_a_restart_of_the_server(stoppable: Stoppable, how: Shutdown) -> None:
    engines = create_engines(stoppable.database, pool_size=3)
    await seed_tenant(engines)
    submissions = PostgresSubmissions(engines.app)
    await asyncio.gather(*(submissions.accept_many([an_acceptance()]) for _ in range(6)))

    await stoppable.server.stop(how)
    with pytest.raises(StoreUnavailable):
        await submissions.accept_many([an_acceptance()])
    with pytest.raises(StoreUnavailable):
        await _read(engines)
    await stoppable.server.start()

    again = await asyncio.gather(*(submissions.accept_many([an_acceptance()]) for _ in range(6)))
    assert again == [[Stored()]] * 6
    assert await _read(engines) == 12
    await engines.dispose()


async def _read(engines: Engines) -> int:
    async with transaction(engines.system) as opened:
        count: int = await opened.driver.fetchval("SELECT count(*) FROM messages")
        return count


async def test_a_session_ended_in_the_middle_of_a_transaction_is_unavailable(engines: Engines, database: str) -> None:
    await seed_tenant(engines)

    async def lose_the_session() -> None:
        async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
            await uow.routing_rules.rules()
            await _end_sessions(database)
            await uow.routing_rules.rules()

    with pytest.raises(StoreUnavailable):
        await lose_the_session()
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        assert await uow.routing_rules.rules() == []


async def _end_sessions(database: str) -> None:
    owner = await asyncpg.connect(database)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'messaging_app'"
    )
    await owner.close()


async def test_more_callers_than_connections_are_told_to_come_back(database: str) -> None:
    engines = create_engines(database, pool_size=1, pool_wait=0.05)

    async with transaction(engines.app):
        with pytest.raises(StoreUnavailable):
            await transaction(engines.app).__aenter__()

    async with transaction(engines.app) as opened:
        assert await opened.driver.fetchval("SELECT 1") == 1
    await engines.dispose()


async def test_a_server_that_takes_no_more_connections_is_unavailable() -> None:
    async with EmbeddedPostgres(settings={"max_connections": "5"}) as server:
        held = [await asyncpg.connect(server.url()) for _ in range(5)]
        engines = create_engines(server.url())

        with pytest.raises(StoreUnavailable):
            await transaction(engines.app).__aenter__()

        await engines.dispose()
        await asyncio.gather(*(connection.close() for connection in held))


async def test_waiting_too_long_for_a_lock_is_unavailable(engines: Engines) -> None:
    await seed_tenant(engines)
    async with transaction(engines.system) as first:
        await first.driver.execute("UPDATE tenants SET name = 'x'")

        with pytest.raises(StoreUnavailable):
            async with transaction(engines.system, settings="SET LOCAL lock_timeout = '50ms'") as second:
                await second.driver.execute("UPDATE tenants SET name = 'y'")


async def test_a_statement_that_takes_too_long_is_unavailable_through_either_driver(engines: Engines) -> None:
    quick = "SET LOCAL statement_timeout = '50ms'"

    with pytest.raises(StoreUnavailable):
        async with transaction(engines.system, settings=quick) as opened:
            await opened.driver.execute("SELECT pg_sleep(5)")
    with pytest.raises(StoreUnavailable):
        async with transaction(engines.system, settings=quick) as opened:
            await opened.core.execute(text("SELECT pg_sleep(5)"))


async def test_leaving_without_commit_leaves_nothing(engines: Engines) -> None:
    await seed_tenant(engines)

    async with transaction(engines.system) as opened:
        await opened.driver.execute("UPDATE tenants SET name = 'changed'")

    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        tenant = await uow.platform.tenant(TENANT)
    assert tenant == a_tenant()


async def test_our_own_errors_pass_through_and_roll_back(engines: Engines) -> None:
    await seed_tenant(engines)

    async def fail() -> None:
        async with transaction(engines.system) as opened:
            await opened.driver.execute("UPDATE tenants SET name = 'changed'")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        assert await uow.platform.tenant(TENANT) == a_tenant()


async def test_a_mistake_in_a_statement_is_not_an_outage(engines: Engines) -> None:
    with pytest.raises(asyncpg.InterfaceError, match="expects 0 arguments"):
        async with transaction(engines.system) as opened:
            await opened.driver.execute("SELECT 1", "superfluous")
    with pytest.raises(asyncpg.UndefinedTableError):
        async with transaction(engines.system) as opened:
            await opened.driver.execute("SELECT * FROM nowhere")


async def test_a_swallowed_error_cannot_be_committed(engines: Engines) -> None:
    async def swallow_and_commit() -> None:
        async with transaction(engines.system) as opened:
            with pytest.raises(asyncpg.DivisionByZeroError):
                await opened.driver.fetchval("SELECT 1 / 0")
            await opened.commit()

    with pytest.raises(RuntimeError, match="not committed: ROLLBACK"):
        await swallow_and_commit()


async def test_a_transaction_is_committed_once(engines: Engines) -> None:
    async with transaction(engines.system) as opened:
        await opened.commit()

        with pytest.raises(RuntimeError, match="committed or rolled back before"):
            await opened.commit()


async def test_a_cancelled_caller_leaves_no_open_transaction_behind(database: str) -> None:
    engines = create_engines(database, pool_size=1)
    await seed_tenant(engines)
    entered = asyncio.Event()

    async def work() -> None:
        async with transaction(engines.system) as opened:
            await opened.driver.execute("UPDATE tenants SET name = 'changed'")
            entered.set()
            await opened.driver.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with transaction(engines.system) as opened:
        await opened.driver.execute("UPDATE tenants SET name = name")
        assert await opened.driver.fetchval("SELECT name FROM tenants") == a_tenant().name
    await engines.dispose()
