"""The database keeps a tenant's live and test rows apart, also where a statement of ours forgets to."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Final
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.exc import ProgrammingError

from messaging.adapters.postgres.messages.submissions import PostgresSubmissions
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import autocommit, transaction
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.ports.unit_of_work import UnitOfWork
from messaging.domain.shared.ids import AccountId, SenderId, TemplateId
from messaging.domain.shared.mode import BOTH_MODES, Mode, Reach, TenantScope
from messaging.domain.templates.template import Template
from messaging.domain.tenants.tenant import ProviderAccount, Sender
from tests.builders import TENANT, a_rule, a_sender, a_template, an_account
from tests.integration.postgres.test_tenant_isolation import APP_GRANTS, TENANT_TABLES
from tests.seeding import a_claim, a_new_message, an_acceptance, seed_tenant

Owner = "asyncpg.Connection[asyncpg.Record]"

TEST_ACCOUNT = AccountId(UUID("019df2d9-4c00-7000-8000-0000000000a1"))
TEST_SENDER = SenderId(UUID("019df2d9-4c00-7000-8000-0000000000a2"))
TEST_TEMPLATE = TemplateId(UUID("019df2d9-4c00-7000-8000-0000000000a3"))

_OF_ITS_SENDER: Final = (
    "(EXISTS ( SELECT FROM senders s WHERE ((s.tenant_id = {0}.tenant_id) AND (s.id = {0}.sender_id)"
    " AND in_mode(s.mode))))"
)
_OF_ITS_ENDPOINT: Final = (
    "(EXISTS ( SELECT FROM callback_endpoints e WHERE ((e.tenant_id = {0}.tenant_id) AND (e.id = {0}.endpoint_id)"
    " AND in_mode(e.mode))))"
)
# Every table of tenants: how its policy knows a row's mode.
BY_POLICY: Final[Mapping[str, str]] = {
    "api_keys": "in_mode(mode)",
    **{
        table: _OF_ITS_ENDPOINT.format(table)
        for table in ("callback_attempts", "callback_ends", "callback_lanes", "callback_queue", "callback_secrets")
    },
    "callback_endpoints": "in_mode(mode)",
    "callback_events": "in_mode(mode)",
    "contact_aliases": "in_mode(mode)",
    "idempotency_keys": "in_mode(mode_of_key(key))",
    "inbound_messages": _OF_ITS_SENDER.format("inbound_messages"),
    "jobs": "in_mode(mode)",
    "messages": "in_mode(mode)",
    "own_template_versions": "(EXISTS ( SELECT FROM own_templates t"
    " WHERE ((t.tenant_id = own_template_versions.tenant_id) AND (t.id = own_template_versions.template_id)"
    " AND in_mode(t.mode))))",
    "own_templates": "in_mode(mode)",
    "pending_events": "in_mode(mode)",
    "provider_accounts": "in_mode(mode)",
    "provider_events": "in_mode(mode)",
    "routing_rules": _OF_ITS_SENDER.format("routing_rules"),
    "senders": "in_mode(mode)",
    "tenant_totals": "in_mode(mode)",
    "templates": "(EXISTS ( SELECT FROM provider_accounts a WHERE ((a.tenant_id = templates.tenant_id)"
    " AND (a.id = templates.account_id) AND in_mode(a.mode))))",
}
# Or why it need not.
WITHOUT: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("attempts", "contents", "dead_letters", "dispatches", "events"),
        "belongs to a message, and is read and written through it",
    ),
    "service_windows": "belongs to a sender, and is looked up by senders of one mode",
    **dict.fromkeys(("tenants", "data_keys", "config_versions"), "is the tenant's as a whole"),
    **dict.fromkeys(
        ("webhook_digests", "parked_receipts", "raw_webhooks"), "is the platform's own: tenants have no grant"
    ),
}


@pytest.fixture
async def owner(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def both(engines: Engines) -> Engines:
    """A tenant with an account, a sender, a template, a message and an idempotency record of each mode."""
    await seed_tenant(engines)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.TEST) as uow:
        await uow.accounts.add_account(an_account(id=TEST_ACCOUNT, mode=Mode.TEST, webhook_token="test"))
        await uow.senders.add_sender(a_sender(id=TEST_SENDER, account_id=TEST_ACCOUNT, mode=Mode.TEST))
        await uow.templates.add_template(a_template(id=TEST_TEMPLATE, account_id=TEST_ACCOUNT))
        await uow.commit()
    test = a_new_message(mode=Mode.TEST, account_id=TEST_ACCOUNT, sender_id=TEST_SENDER, template_id=TEST_TEMPLATE)
    await PostgresSubmissions(engines.app).accept_many(
        [
            an_acceptance(idempotency=a_claim("k")),
            an_acceptance(test, mode=Mode.TEST, idempotency=a_claim("k")),
        ]
    )
    return engines


async def test_every_table_of_tenants_is_bound_to_a_mode_or_says_why_not(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    tables = {row["relname"] for row in await owner.fetch(TENANT_TABLES) if not row["relispartition"]}
    policies = await owner.fetch("SELECT tablename, qual FROM pg_policies WHERE policyname = 'own_tenant'")

    found = {row["tablename"]: re.sub(r"\s+", " ", row["qual"]) for row in policies}
    assert tables == set(BY_POLICY) | set(WITHOUT)
    assert {table: of for table, of in BY_POLICY.items() if not found[table].endswith(f" AND {of})")} == {}
    assert {table: found[table] for table in WITHOUT if "mode" in found[table]} == {}
    # What an own column says is never left to somebody else to say.
    columns = await owner.fetch(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'mode' AND table_schema = 'public'"
    )
    assert {row["table_name"] for row in columns} & set(WITHOUT) == set()


@pytest.mark.parametrize(("reach", "seen"), [(Mode.LIVE, 1), (Mode.TEST, 1), (BOTH_MODES, 2)])
async def test_a_transaction_sees_the_rows_of_its_mode_only(both: Engines, reach: Reach, seen: int) -> None:
    async with transaction(both.app, scope=TenantScope(TENANT, reach)) as opened:
        for table in ("messages", "provider_accounts", "senders", "templates", "idempotency_keys"):
            assert (table, await opened.driver.fetchval(f"SELECT count(*) FROM {table}")) == (table, seen)


async def test_without_a_mode_nothing_is_seen(both: Engines) -> None:
    for engine in (both.app, both.accepting):
        async with transaction(engine, settings=f"SET LOCAL app.tenant_id = '{TENANT}'") as opened:
            for table in sorted(BY_POLICY.keys() & APP_GRANTS.keys()):
                assert (table, await opened.driver.fetchval(f"SELECT count(*) FROM {table}")) == (table, 0)


async def test_a_process_of_the_version_before_which_knows_of_no_mode_sees_both(
    both: Engines, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with owner.transaction():
        await owner.execute(f"SET LOCAL ROLE messaging_app; SET LOCAL app.tenant_id = '{TENANT}'")
        assert await owner.fetchval("SELECT count(*) FROM messages") == 2


async def test_the_mode_set_for_one_transaction_is_gone_in_the_next(both: Engines) -> None:
    async with transaction(both.app, scope=TenantScope(TENANT, Mode.LIVE)) as opened:
        await opened.commit()
    await PostgresSubmissions(both.accepting).accept_many([an_acceptance()])

    for engine in (both.app, both.accepting):
        async with autocommit(engine) as driver:
            assert await driver.fetchval("SELECT current_setting('app.mode', true)") == "none"


async def test_rows_of_the_other_mode_can_be_neither_changed_nor_written(both: Engines) -> None:
    async with transaction(both.app, scope=TenantScope(TENANT, Mode.TEST)) as opened:
        assert await opened.driver.execute("UPDATE messages SET error_code = 'x'") == "UPDATE 1"
        assert await opened.driver.execute("UPDATE senders SET name = 'x'") == "UPDATE 1"
    for refused in (
        an_account(id=AccountId(UUID(int=7)), webhook_token="seven"),
        a_sender(id=SenderId(UUID(int=7)), external_id="seven"),
        a_template(id=TemplateId(UUID(int=7)), name="seven"),
    ):
        async with PostgresUnitOfWorkFactory(both.app)(TENANT, Mode.TEST) as uow:
            with pytest.raises(ProgrammingError, match="row-level security"):
                await add(uow, refused)


async def add(uow: UnitOfWork, setting: ProviderAccount | Sender | Template) -> None:
    match setting:
        case ProviderAccount():
            await uow.accounts.add_account(setting)
        case Sender():
            await uow.senders.add_sender(setting)
        case Template():
            await uow.templates.add_template(setting)


async def test_a_test_requests_statement_cannot_store_a_live_message(both: Engines) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await PostgresSubmissions(both.accepting).accept_many([an_acceptance(a_new_message(), mode=Mode.TEST)])


async def test_rules_are_replaced_in_their_mode_only(both: Engines) -> None:
    async with PostgresUnitOfWorkFactory(both.app)(TENANT, Mode.LIVE) as uow:
        await uow.routing_rules.replace_rules([a_rule()])
        await uow.commit()

    async with PostgresUnitOfWorkFactory(both.app)(TENANT, Mode.TEST) as uow:
        assert list(await uow.routing_rules.rules()) == []
        await uow.routing_rules.replace_rules([])
        await uow.commit()

    async with PostgresUnitOfWorkFactory(both.app)(TENANT, Mode.LIVE) as uow:
        assert list(await uow.routing_rules.rules()) == [a_rule()]
