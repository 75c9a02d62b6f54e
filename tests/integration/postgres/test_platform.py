"""Does the platform keep tenants, and find their senders?"""

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.domain.tenants.tenant import TenantStatus
from tests.builders import ACCOUNT, OTHER_TENANT, PHONE_NUMBER_ID, SENDER, TENANT, a_tenant
from tests.seeding import OTHER_ACCOUNT, OTHER_SENDER, seed_other_tenant, seed_tenant


@pytest.fixture(autouse=True)
async def _tenants(engines: Engines) -> None:
    await seed_tenant(engines)
    await seed_other_tenant(engines)


async def test_tenants_are_found_changed_and_listed_newest_first(engines: Engines) -> None:
    suspended = a_tenant(name="Renamed", status=TenantStatus.SUSPENDED)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        await uow.platform.update_tenant(suspended)

        assert await uow.platform.tenant(TENANT) == suspended
        assert [tenant.id for tenant in await uow.platform.tenants(before=None, limit=9)] == [OTHER_TENANT, TENANT]
        assert list(await uow.platform.tenants(before=OTHER_TENANT, limit=9)) == [suspended]


async def test_senders_are_found_by_the_providers_id_within_their_account(engines: Engines) -> None:
    wanted = [(ACCOUNT, PHONE_NUMBER_ID), (OTHER_ACCOUNT, PHONE_NUMBER_ID), (ACCOUNT, "unknown")]
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        found = await uow.platform.senders_by_external_id(wanted)

        assert found == {(ACCOUNT, PHONE_NUMBER_ID): SENDER, (OTHER_ACCOUNT, PHONE_NUMBER_ID): OTHER_SENDER}
        assert await uow.platform.senders_by_external_id([]) == {}
