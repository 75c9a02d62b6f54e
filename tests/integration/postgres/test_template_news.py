"""Which template is news about, and what is written of it?"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.templates.news import take_in_news
from messaging.domain.shared.mode import BOTH_MODES, Mode
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template, TemplateStatus
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, TEMPLATE, TENANT, a_template
from tests.fakes.listening import InMemoryListening
from tests.seeding import seed_other_tenant, seed_tenant

PAUSED = TemplateStatus.PAUSED


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
        "at": NOON,
        "heard_at": NOON,
    }
    return TemplateNews(**(fields | changes))


async def tell(engines: Engines, *items: TemplateNews) -> Template:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        await take_in_news(uow, items)
        await uow.commit()
    return await template(engines)


async def template(engines: Engines) -> Template:
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, BOTH_MODES) as uow:
        found = await uow.templates.template(TEMPLATE)
    assert found is not None
    return found


async def jobs(engines: Engines) -> list[tuple[str, Any]]:
    async with engines.system.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT kind, unique_key FROM jobs ORDER BY kind")
        return [(row.kind, UUID(row.unique_key)) for row in rows]


async def test_a_review_changes_the_template_it_is_about(engines: Engines) -> None:
    found = await tell(engines, news(status=PAUSED, quality="RED", status_info={"title": "FIRST_PAUSE"}))

    assert found == a_template(
        status=PAUSED, quality="RED", status_info={"title": "FIRST_PAUSE"}, status_at=NOON, quality_at=NOON
    )
    assert await jobs(engines) == []


async def test_a_review_is_announced_once(engines: Engines, database: str) -> None:
    listening = InMemoryListening((TENANT, Mode.LIVE))
    for _ in range(2):
        async with PostgresSystemUnitOfWorkFactory(engines.system, listening=listening)() as uow:
            await take_in_news(uow, [news(status=PAUSED, quality="RED")])
            await uow.commit()

    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch("SELECT type, subject_id, occurred_at FROM pending_events")
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [("template.paused", TEMPLATE, NOON)]


async def test_what_came_late_changes_nothing_in_one_transaction_or_in_two(engines: Engines) -> None:
    late = news(status=TemplateStatus.APPROVED, at=NOON - timedelta(seconds=600))

    assert (await tell(engines, news(status=PAUSED), late)).status is PAUSED
    assert (await tell(engines, late)).status is PAUSED


async def test_news_without_a_name_is_matched_by_id(engines: Engines) -> None:
    assert (await tell(engines, news(name=None, language=None, status=PAUSED))).status is PAUSED


async def test_news_of_another_id_under_the_same_name_is_about_another_template(engines: Engines) -> None:
    found = await tell(engines, news(external_id="made_anew", status=TemplateStatus.REJECTED, rejected_reason="SCAM"))

    assert found == a_template()
    assert await jobs(engines) == [("sync_templates", ACCOUNT)]


async def test_a_template_whose_id_is_not_known_yet_is_found_by_its_name(engines: Engines) -> None:
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, BOTH_MODES) as uow:
        await uow.reviewed_templates.update_template(a_template(external_id=None))
        await uow.commit()

    found = await tell(engines, news(external_id="learnt", status=PAUSED), news(external_id="learnt", quality="RED"))

    assert (found.external_id, found.status, found.quality) == ("learnt", PAUSED, "RED")


async def test_the_late_end_of_a_former_template_leaves_nothing_to_do(engines: Engines) -> None:
    found = await tell(engines, news(external_id="former", status=TemplateStatus.DELETED))

    assert (found, await jobs(engines)) == (a_template(), [])


async def test_news_of_another_tenant_s_account_is_not_about_this_one(engines: Engines) -> None:
    assert await tell(engines, news(tenant_id=OTHER_TENANT, status=PAUSED)) == a_template()


@pytest.mark.parametrize(
    "unclear", [{"rewritten": True}, {"doubtful": True}, {"external_id": "new", "name": "never_heard_of"}]
)
async def test_news_that_does_not_tell_all_has_the_account_read_once(engines: Engines, unclear: dict[str, Any]) -> None:
    await tell(engines, news(**unclear), news(**unclear))

    assert await jobs(engines) == [("sync_templates", ACCOUNT)]


async def test_an_approval_has_the_messages_go_that_waited_for_it(engines: Engines) -> None:
    await tell(engines, news(status=PAUSED))
    await tell(engines, news(status=TemplateStatus.APPROVED, at=NOON + timedelta(seconds=1)))

    assert await jobs(engines) == [("release_held", TEMPLATE)]
