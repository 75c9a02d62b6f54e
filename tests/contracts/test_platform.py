"""The fake and Postgres keep what belongs to the platform alike: tenants, and senders by the provider's ids."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.ports.platform import Platform, WrappedKey
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.unclear import OnUnknown, UnclearByMode, UnclearChoices
from messaging.domain.tenants.limits import Quota, SubmissionLimits
from messaging.domain.tenants.tenant import TenantStatus
from tests.builders import ACCOUNT, OTHER_TENANT, PHONE_NUMBER_ID, SENDER, TENANT, a_sender, a_tenant
from tests.fakes.platform import InMemoryPlatform
from tests.seeding import OTHER_ACCOUNT, OTHER_SENDER, seed_other_tenant, seed_tenant

NEW = TenantId(UUID("019df2d9-4c00-7000-8000-0000000000ff"))


@pytest.fixture(params=["in_memory", "postgres"])
async def platform(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[Platform]:
    """With two tenants, each with a sender that has the same id at the provider."""
    if request.param == "in_memory":
        other = a_sender(id=OTHER_SENDER, account_id=OTHER_ACCOUNT, tenant_id=OTHER_TENANT)
        yield InMemoryPlatform(a_tenant(), a_tenant(id=OTHER_TENANT), senders=[a_sender(), other])
        return
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        yield uow.platform


async def test_a_tenant_is_found_as_it_was_added(platform: Platform) -> None:
    added = a_tenant(id=NEW, name="Southwind")
    await platform.add_tenant(added, WrappedKey(tenant_id=NEW, version=1, wrapped=b"wrapped"))

    assert await platform.tenant(NEW) == added
    assert await platform.lock_tenant(NEW) == added


async def test_a_tenant_that_does_not_exist_is_not_found(platform: Platform) -> None:
    assert await platform.tenant(NEW) is None
    assert await platform.lock_tenant(NEW) is None


async def test_a_tenant_is_read_as_it_was_changed(platform: Platform) -> None:
    changed = a_tenant(
        name="Renamed",
        status=TenantStatus.SUSPENDED,
        limits=SubmissionLimits(tenant=Quota(messages=100, seconds=60), key=None),
        on_unknown=UnclearByMode(live=UnclearChoices(default=OnUnknown.RESEND)),
    )

    await platform.update_tenant(changed)

    assert await platform.tenant(TENANT) == changed
    assert await platform.tenant(OTHER_TENANT) == a_tenant(id=OTHER_TENANT)


async def test_tenants_are_listed_newest_first(platform: Platform) -> None:
    assert [tenant.id for tenant in await platform.tenants(before=None, limit=9)] == [OTHER_TENANT, TENANT]
    assert [tenant.id for tenant in await platform.tenants(before=None, limit=1)] == [OTHER_TENANT]
    assert [tenant.id for tenant in await platform.tenants(before=OTHER_TENANT, limit=9)] == [TENANT]


async def test_senders_are_found_by_the_providers_id_within_their_account(platform: Platform) -> None:
    wanted = [(ACCOUNT, PHONE_NUMBER_ID), (OTHER_ACCOUNT, PHONE_NUMBER_ID), (ACCOUNT, "unknown")]

    found = await platform.senders_by_external_id(wanted)

    assert found == {(ACCOUNT, PHONE_NUMBER_ID): SENDER, (OTHER_ACCOUNT, PHONE_NUMBER_ID): OTHER_SENDER}
    assert await platform.senders_by_external_id([]) == {}
