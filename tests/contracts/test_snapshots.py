"""The fake and Postgres answer alike what a process remembers of the configuration."""

from uuid import UUID

import pytest

from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import UnitOfWork
from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import AccountId, KeyId, OwnTemplateId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.own.definition import OwnStatus
from tests.builders import (
    ACCOUNT,
    NOON,
    OTHER_TENANT,
    OWN_TEMPLATE,
    SENDER,
    TENANT,
    a_definition,
    a_published_template,
    a_rule,
    a_sender,
    a_snapshot,
    a_template,
    a_version,
    an_account,
    an_admin_key,
    an_api_key,
    an_own_template,
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
        facts = a_snapshot(
            accounts=(an_account(webhook_token=TOKEN),),
            rules=(a_rule(),),
            data_keys=(DATA_KEY,),
            own=(a_published_template(),),
        )
        return InMemorySnapshots(facts, api_keys=(an_api_key(),), admin_keys=(ADMIN_KEY,))
    await seed_tenant(engines)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.api_keys.add_key(an_api_key())
        await uow.routing_rules.replace_rules([a_rule()])
        await keep_own_templates(uow)
        await uow.commit()
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as system:
        await system.admin_keys.add(ADMIN_KEY)
        await system.commit()
    return PostgresSnapshots(engines.system)


async def keep_own_templates(uow: UnitOfWork) -> None:
    """One that is published and has a newer draft, one that is archived, and one that is a draft only."""
    archived = an_own_template(id=_own(1), name="other", published=1, status=OwnStatus.ARCHIVED)
    for template in (an_own_template(published=1), archived, an_own_template(id=_own(2), name="draft")):
        await uow.own_templates.add(template)
        await uow.own_versions.put_draft(template.id, a_version())
        if template.published:
            newer = a_version(number=2, definition=a_definition(default_language="de"))
            await uow.own_versions.publish(template.id, 1, at=NOON)
            await uow.own_versions.put_draft(template.id, newer)


def _own(offset: int) -> OwnTemplateId:
    return OwnTemplateId(UUID(int=OWN_TEMPLATE.int + offset))


async def test_own_templates_are_remembered_as_they_are_sent(snapshots: Snapshots) -> None:
    found = await snapshots.tenant(TENANT)

    assert found is not None
    assert found.own == (a_published_template(),)
    assert found.in_mode(Mode.LIVE).own == {(Channel.SMS, "order_shipped"): a_published_template()}
    assert found.in_mode(Mode.TEST).own == {}


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
