"""Can one tenant reach another's rows, even through a bug of ours? The catalog and the server answer."""

from collections.abc import AsyncIterator, Mapping
from typing import Final
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError, ProgrammingError

from messaging.adapters.postgres.messages.submissions import PostgresSubmissions
from messaging.adapters.postgres.session.engine import APP_ROLE, SYSTEM_ROLE, Engines, create_engines
from messaging.adapters.postgres.session.transactions import autocommit, transaction
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.domain.shared.ids import AccountId, TemplateId
from messaging.domain.shared.mode import Mode, TenantScope
from tests.builders import ACCOUNT, OTHER_TENANT, SENDER, TENANT, a_sender, a_template, an_account
from tests.seeding import (
    OTHER_ACCOUNT,
    OTHER_SENDER,
    a_claim,
    a_new_message,
    accept,
    an_acceptance,
    seed_other_tenant,
    seed_tenant,
)

Owner = "asyncpg.Connection[asyncpg.Record]"

TENANT_TABLES: Final = """
SELECT c.relname, c.relkind, c.relispartition, c.relrowsecurity, c.relforcerowsecurity
FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
  AND (c.relname = 'tenants' OR EXISTS (
      SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('tenant_id', 'scope')))
"""

OPEN_WEEKS: Final = """
SELECT array_agg(inhrelid::regclass::text) FROM pg_inherits
WHERE inhparent::regclass::text IN ('messages', 'contents', 'attempts', 'events')
  AND inhrelid::regclass::text ~ 'w[0-9]+$'
"""

# The whole of what each role may do, in one place. S, I, U, D: on every column; Uc: on some.
SYSTEM_GRANTS: Final[Mapping[str, str]] = {
    "admin_keys": "ISu",
    "alembic_version": "S",
    "api_keys": "S",
    "attempts": "ISu",
    # The names that the version before has for what webhooks are stored in.
    "callback_digests": "DIS",
    "callback_attempts": "ISu",
    "callback_ends": "ISU",
    "callback_endpoints": "Su",
    "callback_events": "IS",
    "callback_lanes": "ISU",
    "callback_queue": "DISU",
    "callback_secrets": "DS",
    "config_versions": "ISU",
    "contact_aliases": "ISu",
    "contents": "S",
    "data_keys": "IS",
    "dead_letters": "DISU",
    "dispatches": "DISU",
    "events": "IS",
    "idempotency_keys": "DISU",
    "inbound_messages": "DIS",
    "incidents": "ISU",
    "jobs": "DISU",
    "messages": "Su",
    "own_template_versions": "S",
    "own_templates": "S",
    "parked_receipts": "DISU",
    "pending_events": "DISU",
    "platform_identity": "ISU",
    "provider_accounts": "S",
    "provider_events": "DIS",
    "raw_callbacks": "ISu",
    "raw_webhooks": "ISu",
    "routing_rules": "S",
    "senders": "S",
    "service_windows": "ISu",
    "templates": "SU",
    "tenant_counting": "ISU",
    "tenant_totals": "ISU",
    "tenants": "ISU",
    "webhook_digests": "DIS",
    "workers": "DISU",
}
APP_GRANTS: Final[Mapping[str, str]] = {
    "alembic_version": "S",
    "api_keys": "ISU",
    "attempts": "Su",
    "callback_attempts": "S",
    "callback_endpoints": "ISU",
    "callback_ends": "IS",
    "callback_events": "S",
    "callback_lanes": "ISU",
    "callback_queue": "DISU",
    "callback_secrets": "DISU",
    "communications_log": "S",
    "config_versions": "ISU",
    "contact_aliases": "S",
    "contents": "IS",
    "data_keys": "S",
    "dead_letters": "ISU",
    "dispatches": "DISU",
    "events": "IS",
    "idempotency_keys": "ISU",
    "inbound_messages": "IS",
    "jobs": "DISU",
    "messages": "ISu",
    "own_template_versions": "ISU",
    "own_templates": "ISU",
    "pending_events": "IS",
    "provider_accounts": "ISU",
    "provider_events": "S",
    "routing_rules": "DISU",
    "senders": "ISU",
    "service_windows": "ISu",
    "templates": "ISU",
    "tenants": "S",
}

SECOND_ACCOUNT: Final = AccountId(UUID(int=77))

# Found before the tenant is known, by something unguessable or with a reference that only the platform can write, so
# these alone are unique across tenants.
UNIQUE_ACROSS_TENANTS: Final = {
    "api_keys_public_id_key",
    "provider_accounts_id_key",
    "provider_accounts_webhook_token_key",
    "tenants_pkey",
}


@pytest.fixture
async def owner(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def two_tenants(engines: Engines) -> Engines:
    """Each with a message and an idempotency record."""
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    other = {"tenant_id": OTHER_TENANT, "account_id": OTHER_ACCOUNT, "sender_id": OTHER_SENDER, "template_id": None}
    await accept(engines, [a_new_message(), a_new_message(**other)])
    await PostgresSubmissions(engines.app).accept_many([an_acceptance(idempotency=a_claim())])
    return engines


async def test_every_table_of_tenants_has_forced_row_level_security(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rows = await owner.fetch(TENANT_TABLES)

    assert len(rows) > 50
    assert [row["relname"] for row in rows if not (row["relrowsecurity"] and row["relforcerowsecurity"])] == []


async def test_every_such_table_has_exactly_the_two_policies_and_a_week_the_platforms(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    tables = {row["relname"] for row in await owner.fetch(TENANT_TABLES) if not row["relispartition"]}
    policies = await owner.fetch("SELECT tablename, policyname, roles, cmd, qual, with_check FROM pg_policies")

    assert {(row["tablename"], row["policyname"]) for row in policies} == {
        (table, name) for table in tables for name in ("own_tenant", "every_tenant")
    } | {(week, "every_tenant") for week in await owner.fetchval(OPEN_WEEKS)}
    for row in policies:
        mine = row["policyname"] == "own_tenant"
        assert (row["roles"], row["cmd"]) == ([APP_ROLE if mine else SYSTEM_ROLE], "ALL")
        assert row["qual"] == row["with_check"]
        # What a policy adds to the tenant is its mode: see test_mode_isolation.py.
        own = {"tenants": "id", "idempotency_keys": "scope"}.get(row["tablename"], "tenant_id")
        assert row["qual"].lstrip("(").startswith(f"{own} = current_tenant())" if mine else "true")


async def test_the_tenant_leads_every_key_and_every_reference(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    tables = {row["relname"] for row in await owner.fetch(TENANT_TABLES) if not row["relispartition"]}
    unique = await owner.fetch(
        "SELECT i.relname AS name, a.attname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid"
        " JOIN pg_class t ON t.oid = x.indrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]"
        " WHERE x.indisunique AND t.relname = ANY($1)",
        list(tables),
    )
    references = await owner.fetch(
        "SELECT c.conname, a.attname, b.attname AS target FROM pg_constraint c"
        " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]"
        " WHERE c.contype = 'f' AND c.conrelid::regclass::text = ANY($1)",
        list(tables),
    )

    leading = {row["name"]: row["attname"] for row in unique}
    assert {name for name, column in leading.items() if column not in ("tenant_id", "scope")} == UNIQUE_ACROSS_TENANTS
    assert {(row["attname"], row["target"]) for row in references} == {("tenant_id", "tenant_id"), ("tenant_id", "id")}


async def test_neither_role_owns_anything_or_stands_above_the_policies(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    roles = await owner.fetch("SELECT * FROM pg_roles WHERE rolname = ANY($1)", [APP_ROLE, SYSTEM_ROLE])

    assert len(roles) == 2
    for role in roles:
        powers = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolcanlogin")
        assert [power for power in powers if role[power]] == []
        assert await owner.fetchval("SELECT count(*) FROM pg_class WHERE relowner = $1", role["oid"]) == 0
        assert await owner.fetchval("SELECT count(*) FROM pg_proc WHERE proowner = $1", role["oid"]) == 0


@pytest.mark.parametrize(("role", "expected"), [(SYSTEM_ROLE, SYSTEM_GRANTS), (APP_ROLE, APP_GRANTS)])
async def test_each_role_may_do_what_is_listed_and_nothing_else(
    owner: "asyncpg.Connection[asyncpg.Record]", role: str, expected: Mapping[str, str]
) -> None:
    whole = await owner.fetch(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = $1", role
    )
    partial = await owner.fetch(
        "SELECT DISTINCT table_name FROM information_schema.column_privileges"
        " WHERE grantee = $1 AND privilege_type = 'UPDATE'",
        role,
    )

    found: dict[str, set[str]] = {}
    for row in whole:
        found.setdefault(row["table_name"], set()).add(row["privilege_type"][0])
    for row in partial:
        if "U" not in found[row["table_name"]]:
            found[row["table_name"]].add("u")
    weeks = set(await owner.fetchval(OPEN_WEEKS))
    assert {table: "".join(sorted(letters)) for table, letters in found.items() if table not in weeks} == dict(expected)
    # No tenant enters a week by its name; the platform may do there what it may do in the whole table.
    assert found.keys() & weeks == (weeks if role == SYSTEM_ROLE else set())


async def test_the_platform_has_the_same_rights_on_a_week_as_on_the_whole_table(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    columns = await owner.fetch(
        "SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges WHERE grantee = $1",
        SYSTEM_ROLE,
    )
    found: dict[str, set[tuple[str, str]]] = {}
    for row in columns:
        found.setdefault(row["table_name"], set()).add((row["column_name"], row["privilege_type"]))
    weeks = await owner.fetchval(OPEN_WEEKS)

    assert len(weeks) >= 4 * 9
    assert [week for week in weeks if found[week] != found[week.rpartition("_")[0]]] == []


async def test_only_the_listed_functions_run_with_their_owners_rights(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    definers = await owner.fetch(
        "SELECT proname, proacl::text AS rights FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    )

    assert {function["proname"] for function in definers} == {"ensure_partitions", "drop_week"}
    for function in definers:
        assert f"{SYSTEM_ROLE}=X" in function["rights"]
        assert APP_ROLE not in function["rights"]
        assert "{=X" not in function["rights"]


async def test_without_a_tenant_nothing_is_seen(
    owner: "asyncpg.Connection[asyncpg.Record]", two_tenants: Engines
) -> None:
    async with transaction(two_tenants.app) as opened:
        for row in await owner.fetch(TENANT_TABLES):
            if row["relname"] in APP_GRANTS:
                seen = await opened.driver.fetchval(f"SELECT count(*) FROM {row['relname']}")
                assert (row["relname"], seen) == (row["relname"], 0)


async def test_without_a_tenant_nothing_can_be_written(two_tenants: Engines) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with transaction(two_tenants.app) as opened:
            await opened.driver.execute(
                "INSERT INTO idempotency_keys (scope, key, fingerprint, expires_at, lease_until)"
                " VALUES ($1, 'k', 'f', now(), now())",
                TENANT,
            )


async def test_a_tenant_sees_its_own_rows_only(two_tenants: Engines) -> None:
    async with PostgresUnitOfWorkFactory(two_tenants.app)(OTHER_TENANT, Mode.LIVE) as uow:
        assert await uow.accounts.account(ACCOUNT) is None
        assert await uow.accounts.account(OTHER_ACCOUNT) is not None
    async with transaction(two_tenants.app, scope=TenantScope(TENANT, Mode.LIVE)) as opened:
        for table in ("messages", "contents", "events", "dispatches", "communications_log"):
            seen = await opened.driver.fetch(f"SELECT DISTINCT tenant_id FROM {table}")
            assert [row["tenant_id"] for row in seen] == [TENANT]
        assert await opened.driver.fetchval("SELECT count(*) FROM tenants") == 1


@pytest.mark.parametrize("table", ["messages", "dispatches", "senders", "api_keys"])
async def test_a_tenant_cannot_change_or_delete_anothers_rows(two_tenants: Engines, table: str) -> None:
    column = {"messages": "error_code", "dispatches": "kind", "senders": "name", "api_keys": "name"}[table]
    async with transaction(two_tenants.app, scope=TenantScope(TENANT, Mode.LIVE)) as opened:
        done = await opened.driver.execute(f"UPDATE {table} SET {column} = {column} WHERE tenant_id = $1", OTHER_TENANT)

    assert done == "UPDATE 0"


async def test_a_tenant_cannot_write_in_anothers_name(two_tenants: Engines) -> None:
    async with PostgresUnitOfWorkFactory(two_tenants.app)(OTHER_TENANT, Mode.LIVE) as uow:
        with pytest.raises(ProgrammingError, match="row-level security"):
            await uow.accounts.add_account(an_account(webhook_token="mine"))


async def test_a_tenant_cannot_hand_its_rows_to_another(two_tenants: Engines) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with transaction(two_tenants.app, scope=TenantScope(TENANT, Mode.LIVE)) as opened:
            await opened.driver.execute("UPDATE dispatches SET tenant_id = $1", OTHER_TENANT)


async def test_a_message_cannot_refer_to_anothers_sender(two_tenants: Engines) -> None:
    stranger = a_new_message(sender_id=OTHER_SENDER, account_id=OTHER_ACCOUNT, template_id=None)

    with pytest.raises(asyncpg.ForeignKeyViolationError, match="messages_sender_fkey"):
        await PostgresSubmissions(two_tenants.app).accept_many([an_acceptance(stranger)])


async def test_a_message_cannot_refer_to_a_sender_of_another_account(two_tenants: Engines) -> None:
    async with PostgresUnitOfWorkFactory(two_tenants.app)(TENANT, Mode.LIVE) as uow:
        second = an_account(id=SECOND_ACCOUNT, webhook_token="second")
        await uow.accounts.add_account(second)
        await uow.commit()

    with pytest.raises(asyncpg.ForeignKeyViolationError, match="messages_sender_fkey"):
        await PostgresSubmissions(two_tenants.app).accept_many(
            [an_acceptance(a_new_message(account_id=SECOND_ACCOUNT, sender_id=SENDER, template_id=None))]
        )


async def test_a_sender_cannot_refer_to_anothers_account(two_tenants: Engines) -> None:
    async with PostgresUnitOfWorkFactory(two_tenants.app)(TENANT, Mode.LIVE) as uow:
        with pytest.raises(IntegrityError, match="senders_account_fkey"):
            await uow.senders.add_sender(a_sender(id=OTHER_SENDER, account_id=OTHER_ACCOUNT))


async def test_a_template_cannot_refer_to_anothers_account(two_tenants: Engines) -> None:
    async with PostgresUnitOfWorkFactory(two_tenants.app)(TENANT, Mode.LIVE) as uow:
        # The account is not there for this tenant, so the policy refuses before the reference does.
        with pytest.raises(ProgrammingError, match="row-level security"):
            await uow.templates.add_template(a_template(id=TemplateId(OTHER_SENDER), account_id=OTHER_ACCOUNT))


async def test_partitions_cannot_be_entered_by_the_side_door(two_tenants: Engines) -> None:
    async with transaction(two_tenants.system) as opened:
        week = await opened.driver.fetchval("SELECT tableoid::regclass::text FROM messages LIMIT 1")
        assert await opened.driver.fetchval(f"SELECT count(*) FROM {week}") == 3
    for engine, part in (
        (two_tenants.app, week),
        (two_tenants.app, "messages_default"),
        (two_tenants.system, "messages_default"),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(engine, scope=TenantScope(TENANT, Mode.LIVE)) as opened:
                await opened.driver.fetch(f"SELECT * FROM {part}")


async def test_the_tenant_set_for_one_transaction_is_gone_in_the_next(two_tenants: Engines) -> None:
    async with transaction(two_tenants.app, scope=TenantScope(TENANT, Mode.LIVE)) as opened:
        await opened.commit()
    async with transaction(two_tenants.app) as opened:
        assert await opened.driver.fetchval("SELECT count(*) FROM messages") == 0


async def test_a_statement_that_accepts_leaves_its_connection_with_no_tenant(engines: Engines) -> None:
    await seed_tenant(engines)
    one_connection = create_engines(engines.app.url.render_as_string(hide_password=False), pool_size=1)
    try:
        await PostgresSubmissions(one_connection.accepting).accept_many([an_acceptance(idempotency=a_claim())])

        async with autocommit(one_connection.accepting) as driver:
            assert not await driver.fetchval("SELECT current_setting('app.tenant_id', true)")
            assert await driver.fetchval("SELECT count(*) FROM messages") == 0
            assert await driver.fetchval("SHOW plan_cache_mode") == "force_generic_plan"
    finally:
        await one_connection.dispose()


async def test_a_statement_that_accepts_is_refused_rows_of_another_tenants_sender(engines: Engines) -> None:
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    stranger = a_new_message(account_id=OTHER_ACCOUNT, sender_id=OTHER_SENDER)

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await PostgresSubmissions(engines.accepting).accept_many([an_acceptance(stranger)])
