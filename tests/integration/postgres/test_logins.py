"""The logins of an installation: each may do its own work only, and whoever could do more is told and refused."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.operations.health import PostgresHealth
from messaging.adapters.postgres.schema import migrate, revisions
from messaging.adapters.postgres.schema.logins import PostgresLogins
from messaging.adapters.postgres.session.engine import APP_ROLE, SYSTEM_ROLE, Engines, create_engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.entrypoints.composition.health.logins import refuse_excess
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres
from messaging.entrypoints.settings.settings import BadSettings, Settings, load
from tests.seeding import a_new_message, accept, seed_tenant

LOGINS_SQL = Path(__file__).parents[3] / "deploy" / "postgres" / "logins.sql"


def settings(**more: str) -> Settings:
    there = {"APP_DATABASE_URL": "postgresql://x/y", "APP_REDIS_URL": "redis://x", "APP_MASTER_KEY": "00" * 32}
    return load(Settings, there | more)


PRODUCTION = settings(APP_ENVIRONMENT="production")


@pytest.fixture
async def as_superuser(database: str) -> AsyncIterator[Engines]:
    """One login for everything, as an example once recommended."""
    engines = create_engines(database)
    yield engines
    await engines.dispose()


@pytest.mark.parametrize(("pool", "other"), [("app", SYSTEM_ROLE), ("accepting", SYSTEM_ROLE), ("system", APP_ROLE)])
async def test_no_connection_can_take_the_role_of_other_work(engines: Engines, pool: str, other: str) -> None:
    engine: AsyncEngine = getattr(engines, pool)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied to set role"):
        async with transaction(engine) as opened:
            await opened.driver.execute(f"SET ROLE {other}")
    # Nor does leaving the role lead anywhere.
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for table messages"):
        async with transaction(engine) as opened:
            await opened.driver.execute("SET ROLE NONE; SELECT * FROM messages")


async def test_separate_logins_are_as_small_as_production_wants_them(engines: Engines) -> None:
    rights = await PostgresLogins(engines).rights()
    await refuse_excess(PostgresLogins(engines), PRODUCTION)

    assert [(login.login, login.role, login.excess, login.assumes) for login in rights] == [
        ("messaging_app_login", APP_ROLE, (), True),
        ("messaging_system_login", SYSTEM_ROLE, (), True),
    ]


async def test_a_superuser_is_refused_in_production_and_tolerated_in_development(as_superuser: Engines) -> None:
    with pytest.raises(BadSettings) as refused:
        await refuse_excess(PostgresLogins(as_superuser), PRODUCTION)
    await refuse_excess(PostgresLogins(as_superuser), settings())

    assert [problem.name for problem in refused.value.problems] == ["APP_DATABASE_URL", "APP_DATABASE_SYSTEM_URL"]
    assert "postgres is a superuser" in str(refused.value)
    assert "deploy/postgres/logins.sql" in str(refused.value)


@pytest.mark.parametrize(
    ("power", "told"),
    [
        ("BYPASSRLS", "has BYPASSRLS"),
        ("CREATEROLE", "has CREATEROLE"),
        ("CREATEDB", "has CREATEDB"),
        ("REPLICATION", "has REPLICATION"),
        ("IN ROLE messaging_system", "is a member of messaging_system"),
        ("IN ROLE pg_read_all_data", "is a member of pg_read_all_data"),
    ],
)
async def test_every_power_beyond_the_work_is_told(
    postgres_server: EmbeddedPostgres, database: str, power: str, told: str
) -> None:
    name, keeper = f"bold_{secrets.token_hex(4)}", await asyncpg.connect(database)
    await keeper.execute(f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD 'p' {power}; GRANT messaging_app TO {name}")
    engines = create_engines(postgres_server.url("shared", user=name, password="p"), system_url=database)
    try:
        tenants, _ = await PostgresLogins(engines).rights()

        assert tenants.excess == (told,)
    finally:
        await engines.dispose()
        await keeper.execute(f"DROP ROLE {name}")
        await keeper.close()


async def test_a_login_that_was_not_let_in_is_told_apart_from_one_that_may_too_much(
    postgres_server: EmbeddedPostgres, database: str
) -> None:
    name, keeper = f"stranger_{secrets.token_hex(4)}", await asyncpg.connect(database)
    await keeper.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
    engines = create_engines(postgres_server.url("shared", user=name, password="p"), system_url=database)
    try:
        tenants, _ = await PostgresLogins(engines).rights()

        assert (tenants.login, tenants.assumes, tenants.excess) == (name, False, ())
    finally:
        await engines.dispose()
        await keeper.execute(f"DROP ROLE {name}")
        await keeper.close()


async def test_production_is_what_others_can_reach() -> None:
    assert not settings().is_production
    assert not settings(APP_WEBHOOKS_PUBLIC_URL="http://localhost:8001").is_production
    assert settings(APP_WEBHOOKS_PUBLIC_URL="https://hooks.example.com").is_production
    assert not settings(APP_WEBHOOKS_PUBLIC_URL="https://x.example", APP_ENVIRONMENT="development").is_production
    assert settings(APP_ENVIRONMENT="production").is_production


async def test_the_script_takes_an_installation_from_its_superuser_and_can_be_run_again() -> None:
    async with EmbeddedPostgres() as server:
        superuser = server.url()
        await asyncio.to_thread(migrate.upgrade, superuser)
        before = create_engines(superuser)
        await seed_tenant(before)
        await accept(before, [a_new_message()])
        await before.dispose()

        await run_script(server)
        await run_script(server)

        owner, tenants, system = (
            server.url(user=user, password="it's")
            for user in ("messaging_owner", "messaging_app_login", "messaging_system_login")
        )
        logins = migrate.Logins(tenants="messaging_app_login", system="messaging_system_login")
        await asyncio.to_thread(migrate.upgrade, owner, logins=logins)
        engines = create_engines(tenants, system_url=system)
        try:
            await refuse_excess(PostgresLogins(engines), PRODUCTION)
            assert [rights.assumes for rights in await PostgresLogins(engines).rights()] == [True, True]
            assert {check.name: check.ok for check in await PostgresHealth(engines.system).checks()}["migrations"]
            assert await accept(engines, [a_new_message()])
            async with transaction(engines.system) as opened:
                assert await opened.driver.fetchval("SELECT ensure_partitions()") is not None
                assert await opened.driver.fetchval("SELECT count(*) FROM messages") == 2
        finally:
            await engines.dispose()
        foreign = await fetch(
            superuser,
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relowner <> 'messaging_owner'::regrole",
        )
        assert foreign == []
        assert await asyncio.to_thread(migrate.current, owner) == revisions.head()


async def test_the_script_says_which_passwords_it_wants() -> None:
    async with EmbeddedPostgres() as server:
        with pytest.raises(AssertionError, match="set MESSAGING_OWNER_PASSWORD"):
            await run_script(server, app="")


async def run_script(server: EmbeddedPostgres, *, app: str = "it's") -> None:
    """As an operator or a container does; one password comes from a file."""
    path = server.home / "owner-password"
    path.write_text("it's")
    environment = {
        "PATH": os.environ["PATH"],
        "MESSAGING_OWNER_PASSWORD_FILE": str(path),
        "MESSAGING_APP_PASSWORD": app,
        "MESSAGING_SYSTEM_PASSWORD": "it's",
    }
    process = await asyncio.create_subprocess_exec(
        *(str(server.binaries / "psql"), "-X", "-q", "-d", server.url(), "-f", str(LOGINS_SQL)),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, talk = await process.communicate()
    assert process.returncode == 0, talk.decode()


async def fetch(url: str, query: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()
