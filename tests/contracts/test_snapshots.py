"""The fake and Postgres answer alike what a process remembers of the configuration."""

from uuid import UUID

import pytest

from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.snapshots import Snapshots
from messaging.domain.shared.ids import AccountId, KeyId
from messaging.domain.shared.mode import Mode
from tests.builders import (
    ACCOUNT,
    OTHER_TENANT,
    SENDER,
    TENANT,
    a_rule,
    a_sender,
    a_snapshot,
    a_template,
    an_account,
    an_admin_key,
    an_api_key,
)
from tests.fakes.snapshots import InMemorySnapshots
from tests.seeding import seed_tenant

TOKEN = f"wht_{ACCOUNT}"
DATA_KEY = WrappedKey(tenant_id=TENANT, version=1, wrapped=b"wrapped")
ADMIN_KEY = an_admin_key(public_id="administrator", id=KeyId(UUID("019df2d9-4c00-7000-8000-0000000000aa")))


@pytest.fixture(params=["in_memory", "postgres"])
async def snapshots(request: pytest.FixtureRequest, engines: Engines) -> Snapshots:
    """Of one tenant with one of everything, and an administrator's key."""
    if request.param == "in_memory":
        facts = a_snapshot(accounts=(an_account(webhook_token=TOKEN),), rules=(a_rule(),), data_keys=(DATA_KEY,))
        return InMemorySnapshots(facts, api_keys=(an_api_key(),), admin_keys=(ADMIN_KEY,))
    await seed_tenant(engines)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.api_keys.add_key(an_api_key())
        await uow.routing_rules.replace_rules([a_rule()])
        await uow.commit()
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as system:
        await system.admin_keys.add(ADMIN_KEY)
        await system.commit()
    return PostgresSnapshots(engines.system)


async def test_a_tenant_is_remembered_with_its_whole_configuration(snapshots: Snapshots) -> None:
    found = await snapshots.tenant(TENANT)

    assert found is not None
    assert dict(found.accounts) == {ACCOUNT: an_account(webhook_token=TOKEN)}
    assert dict(found.senders) == {SENDER: a_sender()}
    assert found.templates_of(ACCOUNT) == {("order_update", "en_US"): a_template()}
    assert (found.rules, found.data_keys) == ((a_rule(),), (DATA_KEY,))
    assert found.in_mode(Mode.LIVE).routable == (a_sender(),)
    assert found.in_mode(Mode.TEST).routable == ()


async def test_keys_are_found_by_their_public_ids(snapshots: Snapshots) -> None:
    assert await snapshots.api_key("k3yfzx2m7q4a") == an_api_key()
    assert await snapshots.admin_key("administrator") == ADMIN_KEY
    assert await snapshots.api_key("administrator") is None
    assert await snapshots.admin_key("k3yfzx2m7q4a") is None


async def test_an_account_is_found_by_its_webhook_token(snapshots: Snapshots) -> None:
    assert await snapshots.account_by_token(TOKEN) == an_account(webhook_token=TOKEN)


async def test_an_account_is_found_by_its_id_alone(snapshots: Snapshots) -> None:
    assert await snapshots.account_by_id(ACCOUNT) == an_account(webhook_token=TOKEN)


async def test_what_does_not_exist_is_not_found(snapshots: Snapshots) -> None:
    assert await snapshots.tenant(OTHER_TENANT) is None
    assert await snapshots.account_by_token("wht_unknown") is None
    assert await snapshots.account_by_id(AccountId(OTHER_TENANT)) is None
    assert await snapshots.api_key("unknown") is None


async def test_keys_that_were_found_are_remembered(snapshots: Snapshots) -> None:
    for public_id in ("k3yfzx2m7q4a", "administrator", "unknown"):
        await snapshots.api_key(public_id)
        await snapshots.admin_key(public_id)

    remembered = [snapshots.remembers_key(it) for it in ("k3yfzx2m7q4a", "administrator", "unknown")]
    assert remembered == [True, True, False]
