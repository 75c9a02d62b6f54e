"""Do the migrations work from nothing, with data, for an ordinary owner, and for several at once?"""

import asyncio
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from messaging.adapters.postgres.operations.health import PostgresHealth
from messaging.adapters.postgres.schema import migrate, revisions
from messaging.adapters.postgres.schema.logins import PostgresLogins
from messaging.adapters.postgres.session.engine import create_engines
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres
from tests.builders import TENANT
from tests.seeding import a_new_message, accept, seed_tenant

# What each revision's tables held before the next one came: the data later migrations must carry along. A migration
# that changes a table adds its rows under the revision before it.
DATA: dict[str, tuple[str, ...]] = {
    "0001": (
        f"INSERT INTO tenants VALUES ('{TENANT}', 'Northwind', 'active', now())",
        f"INSERT INTO provider_accounts VALUES ('{TENANT}', '{TENANT}', 'whatsapp_cloud', 'live', 'n', 'e', '', 't',"
        " 'active', now())",
        f"INSERT INTO senders VALUES ('{TENANT}', '{TENANT}', '{TENANT}', 'whatsapp', 'live', 'e', '+1', 'n',"
        " 'active', now(), 80, 0)",
        f"INSERT INTO api_keys VALUES ('{TENANT}', '{TENANT}', 'public', decode(repeat('00', 32), 'hex'), 'live', 'n',"
        " now(), NULL, NULL)",
    ),
    "0002": (
        "INSERT INTO messages (tenant_id, id, account_id, sender_id, created_at, updated_at, seq, epoch, attempts,"
        " checks, claim_failures, possible_duplicate, state, mode, channel, category, priority, on_unknown, policy,"
        f" recipient_index, recipient_hint, summary) VALUES ('{TENANT}', '{TENANT}', '{TENANT}', '{TENANT}', now(),"
        " now(), 1, 0, 0, 0, 0, false, 'queued', 'live', 'whatsapp', 'utility', 'default', 'hold', 'durable', '', '',"
        " 'text')",
        f"INSERT INTO contents VALUES ('{TENANT}', '{TENANT}', 'sealed')",
        f"INSERT INTO dispatches (tenant_id, subject_id, sender_id, due_at, kind, channel, priority)"
        f" VALUES ('{TENANT}', '{TENANT}', '{TENANT}', now(), 'deliver', 'whatsapp', 'default')",
    ),
    "0003": (
        f"INSERT INTO callback_digests VALUES ('{TENANT}', '{TENANT}', now(), 'digest')",
        f"INSERT INTO service_windows VALUES ('{TENANT}', '{TENANT}', now(), 'contact')",
    ),
    "0004": (
        "INSERT INTO idempotency_keys (scope, key, fingerprint, expires_at, status, body)"
        f" VALUES ('{TENANT}', 'k', 'f', now(), 202, '')",
    ),
    "0028": (
        f"INSERT INTO admin_keys VALUES ('{TENANT}', 'admin', decode(repeat('00', 32), 'hex'), 'n', now(), NULL)",
    ),
}


@pytest.fixture
async def fresh_server() -> AsyncIterator[EmbeddedPostgres]:
    """A cluster in which our roles have never existed."""
    async with EmbeddedPostgres() as server:
        yield server


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def upgrade_elsewhere(url: str) -> None:
    """In a process of its own, as `app migrate` is."""
    script = "import sys; from messaging.adapters.postgres.schema import migrate; migrate.upgrade(sys.argv[1])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, url)
    assert await process.wait() == 0


async def test_an_empty_database_gets_the_newest_schema_and_keeps_it(empty_database: str) -> None:
    before = await asyncio.to_thread(migrate.current, empty_database)
    await asyncio.to_thread(migrate.upgrade, empty_database)
    await asyncio.to_thread(migrate.upgrade, empty_database)

    assert before is None
    assert await asyncio.to_thread(migrate.current, empty_database) == revisions.head()


async def test_every_migration_carries_the_data_before_it_along(empty_database: str) -> None:
    config = migrate._config(empty_database)
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]

    counted: dict[str, int] = {}
    for revision in known:
        await asyncio.to_thread(migrate.upgrade, empty_database, to=revision)
        await execute(empty_database, *DATA.get(revision, ()))
    connection = await asyncpg.connect(empty_database)
    for statement in (statement for statements in DATA.values() for statement in statements):
        table = statement.split()[2]
        counted[table] = await connection.fetchval(f"SELECT count(*) FROM {table}")
    await connection.close()

    assert known[-1] == revisions.head()
    assert set(DATA) <= set(known)
    assert set(counted.values()) == {1}


async def test_an_ordinary_owner_and_two_other_logins_are_enough(fresh_server: EmbeddedPostgres) -> None:
    await execute(
        fresh_server.url(),
        "CREATE ROLE owner LOGIN PASSWORD 'o' CREATEROLE NOSUPERUSER",
        "CREATE ROLE clerk LOGIN PASSWORD 'c'",
        "CREATE ROLE keeper LOGIN PASSWORD 'k'",
        "CREATE DATABASE shop OWNER owner",
    )
    as_owner = fresh_server.url("shop", user="owner", password="o")

    as_clerk = fresh_server.url("shop", user="clerk", password="c")
    as_keeper = fresh_server.url("shop", user="keeper", password="k")
    # Once one login did all the work; it loses what is not its own any more.
    for system in ("clerk", "keeper", "keeper"):
        await asyncio.to_thread(migrate.upgrade, as_owner, logins=migrate.Logins(tenants="clerk", system=system))

    for number, (url, system_url) in enumerate(((as_owner, as_owner), (as_clerk, as_keeper))):
        engines = create_engines(url, system_url=system_url)
        if number == 0:
            await seed_tenant(engines)
        else:
            assert [rights.excess for rights in await PostgresLogins(engines).rights()] == [(), ()]
        [key] = await accept(engines, [a_new_message()])
        async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
            assert await uow.records.message(key.message_id) is not None
        await engines.dispose()


async def test_databases_of_one_cluster_are_migrated_at_the_same_time(fresh_server: EmbeddedPostgres) -> None:
    names = [f"shop_{number}" for number in range(4)]
    await execute(fresh_server.url(), *(f"CREATE DATABASE {name}" for name in names))

    await asyncio.gather(*(upgrade_elsewhere(fresh_server.url(name)) for name in names))

    for name in names:
        assert await asyncio.to_thread(migrate.current, fresh_server.url(name)) == revisions.head()


async def test_a_cluster_without_our_roles_says_that_it_wants_migrating(fresh_server: EmbeddedPostgres) -> None:
    engines = create_engines(fresh_server.url())

    checks = await PostgresHealth(engines.system).checks()

    assert [(check.name, check.ok) for check in checks] == [("postgres", True), ("migrations", False)]
    await engines.dispose()


async def test_two_migrations_of_one_database_take_turns(empty_database: str) -> None:
    threads = (asyncio.to_thread(migrate.upgrade, empty_database) for _ in range(2))
    await asyncio.gather(*threads, *(upgrade_elsewhere(empty_database) for _ in range(2)))

    assert await asyncio.to_thread(migrate.current, empty_database) == revisions.head()
