"""Does the platform keep tenants, and follow what providers say about templates?"""

from typing import Any

import pytest

from messaging.adapters.postgres.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.platform import TemplateNews
from messaging.domain.shared.ids import TemplateId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import Template, TemplateStatus
from messaging.domain.tenants.tenant import TenantStatus
from tests.builders import ACCOUNT, OTHER_TENANT, PHONE_NUMBER_ID, SENDER, TEMPLATE, TENANT, a_template, a_tenant
from tests.seeding import OTHER_ACCOUNT, OTHER_SENDER, seed_other_tenant, seed_tenant


@pytest.fixture(autouse=True)
async def _tenants(engines: Engines) -> None:
    await seed_tenant(engines)
    await seed_other_tenant(engines)


def news(**changes: Any) -> TemplateNews:
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "external_id": "1407680676729941",
        "name": "order_update",
        "language": "en_US",
    }
    return TemplateNews(**(fields | changes))


async def tell(engines: Engines, *items: TemplateNews) -> list[TemplateId]:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        changed = await uow.platform.apply_template_news(items)
        await uow.commit()
    return list(changed)


async def template(engines: Engines) -> Template | None:
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        return await uow.configuration.template(TEMPLATE)


async def test_tenants_are_found_changed_and_listed_newest_first(engines: Engines) -> None:
    suspended = a_tenant(name="Renamed", status=TenantStatus.SUSPENDED)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        await uow.platform.update_tenant(suspended)

        assert await uow.platform.tenant(TENANT) == suspended
        assert [tenant.id for tenant in await uow.platform.tenants(before=None, limit=9)] == [OTHER_TENANT, TENANT]
        assert list(await uow.platform.tenants(before=OTHER_TENANT, limit=9)) == [suspended]


async def test_a_review_changes_the_template_it_is_about(engines: Engines) -> None:
    changed = await tell(engines, news(status=TemplateStatus.PAUSED, quality="RED", rejected_reason=None))

    assert changed == [TEMPLATE]
    assert await template(engines) == a_template(status=TemplateStatus.PAUSED, quality="RED")


async def test_news_that_says_nothing_new_changes_nothing(engines: Engines) -> None:
    assert await tell(engines, news(status=TemplateStatus.APPROVED)) == []


async def test_a_template_is_known_by_name_and_language_where_its_id_is_not(engines: Engines) -> None:
    changed = await tell(engines, news(external_id="another", status=TemplateStatus.REJECTED, rejected_reason="SCAM"))

    assert changed == [TEMPLATE]
    found = await template(engines)
    assert found is not None
    assert (found.external_id, found.status, found.rejected_reason) == ("another", TemplateStatus.REJECTED, "SCAM")


async def test_the_late_end_of_a_former_template_is_not_about_its_successor(engines: Engines) -> None:
    assert await tell(engines, news(external_id="former", status=TemplateStatus.DELETED)) == []


async def test_news_of_unknown_templates_or_from_another_account_changes_nothing(engines: Engines) -> None:
    unknown = news(external_id="x", name="unknown", status=TemplateStatus.PAUSED)
    elsewhere = news(tenant_id=OTHER_TENANT, status=TemplateStatus.PAUSED)

    assert await tell(engines, unknown, elsewhere) == []
    assert await template(engines) == a_template()


async def test_each_changed_template_is_told_once(engines: Engines) -> None:
    assert await tell(engines, news(quality="RED"), news(quality="GREEN")) == [TEMPLATE]
    found = await template(engines)
    assert found is not None
    assert found.quality == "GREEN"


async def test_senders_are_found_by_the_providers_id_within_their_account(engines: Engines) -> None:
    wanted = [(ACCOUNT, PHONE_NUMBER_ID), (OTHER_ACCOUNT, PHONE_NUMBER_ID), (ACCOUNT, "unknown")]
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        found = await uow.platform.senders_by_external_id(wanted)

        assert found == {(ACCOUNT, PHONE_NUMBER_ID): SENDER, (OTHER_ACCOUNT, PHONE_NUMBER_ID): OTHER_SENDER}
        assert await uow.platform.senders_by_external_id([]) == {}
