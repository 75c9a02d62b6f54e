"""Which real services do tests get? One PostgreSQL and one Redis per test process, emptied before every test.

Nothing starts until a test asks for it, so unit tests run without services.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import NamedTuple

import asyncpg
import pytest
from hypothesis import settings

from messaging.adapters.postgres.session.engine import Engines, create_engines
from messaging.entrypoints.lab.dev.servers.logins import Logins, make_logins
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis
from tests.conformance import counting
from tests.logins import as_login
from tests.order import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.order import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
from tests.run_again import pytest_runtest_protocol as pytest_runtest_protocol
from tests.run_again import pytest_terminal_summary as pytest_terminal_summary

# Servers share the machine with the tests: how long one example takes says nothing about the code.
# Examples are the same in every run, so that a change is judged by itself: what random ones find is found by
# `pytest --hypothesis-profile=searching`, and kept as a test.
settings.register_profile("shared_machine", deadline=None, derandomize=True, database=None)
settings.register_profile("searching", deadline=None)
settings.load_profile("shared_machine")

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    # From here, so that the process that collects the results of several test processes has it too.
    config.pluginmanager.register(counting)


class Stoppable(NamedTuple):
    server: EmbeddedPostgres
    database: str


# Only the machine's own crash would lose anything by it: what a killed server has written, the kernel still has.
_HASTY = {"fsync": "off", "full_page_writes": "off"}

# Whoever is still connected goes first. As a replica, the session is held up by no trigger and no reference.
_EMPTY = """
DO $$
DECLARE
    t oid;
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;
    -- Most partitions never had a row.
    FOR t IN SELECT oid FROM pg_class
             WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
               AND pg_relation_size(oid) > 0 LOOP
        EXECUTE format('DELETE FROM %s', t::regclass);
    END LOOP;
END
$$
"""


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres(settings=_HASTY) as server:
        yield server


@pytest.fixture(scope="session")
async def postgres(postgres_server: EmbeddedPostgres) -> str:
    """URL of the server's `postgres` database, as superuser."""
    return postgres_server.url()


@pytest.fixture(scope="session")
async def logins(postgres_server: EmbeddedPostgres) -> Logins:
    """Of every database of the server, as an installation of one's own has them."""
    return await make_logins(postgres_server)


@pytest.fixture
async def empty_database(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """URL, as superuser, of a database without any of our tables; dropped after the test."""
    async for url in _database(postgres_server, template="template1"):
        yield url


@pytest.fixture(scope="session")
async def _migrated_template(postgres_server: EmbeddedPostgres) -> str:
    from messaging.adapters.postgres.schema.migrate import upgrade

    await _execute(postgres_server, "CREATE DATABASE migrated TEMPLATE template1")
    # Alembic drives its own event loop.
    await asyncio.to_thread(upgrade, postgres_server.url("migrated"))
    return "migrated"


@pytest.fixture(scope="session")
async def _shared_database(postgres_server: EmbeddedPostgres, _migrated_template: str) -> str:
    await _execute(postgres_server, f"CREATE DATABASE shared TEMPLATE {_migrated_template}")
    return postgres_server.url("shared")


@pytest.fixture(scope="session")
async def _emptying(_shared_database: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """The one session with the shared database that stays."""
    connection = await asyncpg.connect(_shared_database)
    yield connection
    await connection.close()


@pytest.fixture
async def database(_shared_database: str, _emptying: "asyncpg.Connection[asyncpg.Record]") -> str:
    """URL, as superuser, of a migrated database without a row in it.

    The same one for every test, emptied before each: making one takes most of a second, because of its partitions.
    Tests that change the schema take `fresh_database`.
    """
    await _emptying.execute(_EMPTY)
    return _shared_database


@pytest.fixture
async def fresh_database(postgres_server: EmbeddedPostgres, _migrated_template: str) -> AsyncIterator[str]:
    """URL, as superuser, of a new database with every migration applied; dropped after the test."""
    async for url in _database(postgres_server, template=_migrated_template):
        yield url


@pytest.fixture(scope="session")
async def _stoppable_server() -> AsyncIterator[EmbeddedPostgres]:
    from messaging.adapters.postgres.schema.migrate import upgrade

    async with EmbeddedPostgres(settings=_HASTY) as server:
        await _execute(server, "CREATE DATABASE migrated TEMPLATE template1")
        await asyncio.to_thread(upgrade, server.url("migrated"))
        yield server


@pytest.fixture
async def stoppable(_stoppable_server: EmbeddedPostgres) -> AsyncIterator[Stoppable]:
    """A server that may be stopped and started again, with a new database with every migration applied."""
    async for url in _database(_stoppable_server, template="migrated"):
        yield Stoppable(_stoppable_server, url)


@pytest.fixture
async def engines(database: str, logins: Logins) -> AsyncIterator[Engines]:
    """Both pools over `database`, each with its own login."""
    system_url = as_login(database, logins.system)
    engines = create_engines(as_login(database, logins.tenants), system_url=system_url)
    yield engines
    await engines.dispose()


@pytest.fixture(scope="session")
async def redis_server() -> AsyncIterator[EmbeddedRedis]:
    """It is killed by nobody, so it may take as long to answer as a loaded machine needs: that long it is not away."""
    from messaging.adapters.redis import rate_limits, sender_health, submission_limits

    with pytest.MonkeyPatch.context() as patch:
        for module in (rate_limits, sender_health, submission_limits):
            patch.setattr(module, "_PATIENCE", 60.0)
        async with EmbeddedRedis() as server:
            yield server


@pytest.fixture
async def redis_url(redis_server: EmbeddedRedis) -> AsyncIterator[str]:
    """URL of an empty Redis; emptied again after the test."""
    await redis_server.flush()
    yield redis_server.url
    await redis_server.flush()


async def _database(server: EmbeddedPostgres, *, template: str) -> AsyncIterator[str]:
    name = f"test_{next(_numbers)}"
    await _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield server.url(name)
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
