"""The fakes and Postgres keep reviews of templates, the turns of their listings and held messages alike."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.jobs import JobLane, SyncTemplates, decode
from messaging.application.ports.configuration import ReviewedTemplates
from messaging.application.ports.outbox import NewJob, Wanted
from messaging.application.ports.templates import ProviderTemplates, ReviewedAccount, SyncSchedule
from messaging.application.templates.requests import listing
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import AccountId, TemplateId
from messaging.domain.shared.mode import BOTH_MODES, Mode
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template, TemplateStatus
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, TEMPLATE, TENANT, a_template, an_account
from tests.contracts.stores import MessageStore
from tests.fakes.configuration import InMemoryConfiguration
from tests.fakes.outbox import InMemoryJobs
from tests.fakes.templates import InMemoryProviderTemplates, InMemorySyncSchedule
from tests.seeding import OTHER_ACCOUNT, OTHER_TEMPLATE, a_new_message, seed_other_tenant, seed_tenant

HOUR = timedelta(hours=1)
EXTERNAL_ID = "1407680676729941"

# --- reviews ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["in_memory", "postgres"])
async def templates(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[ProviderTemplates]:
    """Two tenants' templates, which differ in nothing but their owner; the first tenant's was listed at noon."""
    if request.param == "in_memory":
        fake = InMemoryConfiguration()
        fake.templates_ = {template.id: template for template in (ours(), theirs())}
        fake.accounts_ = {ACCOUNT: an_account(), OTHER_ACCOUNT: an_account(id=OTHER_ACCOUNT, tenant_id=OTHER_TENANT)}
        fake.listed_[ACCOUNT] = NOON
        yield InMemoryProviderTemplates(fake)
        return
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, BOTH_MODES) as own:
        await listed(own.reviewed_templates)
        await own.commit()
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        yield uow.templates


async def listed(reviewed: ReviewedTemplates) -> None:
    await reviewed.templates_listed(ACCOUNT, at=NOON)


def ours(**changes: Any) -> Template:
    return a_template(**changes)


def theirs() -> Template:
    return a_template(id=OTHER_TEMPLATE, tenant_id=OTHER_TENANT, account_id=OTHER_ACCOUNT)


def news(**changes: Any) -> TemplateNews:
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "external_id": EXTERNAL_ID,
        "name": "order_update",
        "language": "en_US",
        "at": NOON,
        "heard_at": NOON,
    }
    return TemplateNews(**(fields | changes))


@pytest.mark.parametrize(
    "about",
    [{}, {"name": None, "language": None}, {"external_id": "another"}],
    ids=["both", "by id", "by name"],
)
async def test_a_template_is_found_by_its_id_or_by_its_name(
    templates: ProviderTemplates, about: dict[str, Any]
) -> None:
    locked = await templates.lock([news(**about)])

    assert list(locked.templates) == [ours()]
    assert (locked.listed_at, locked.modes) == ({ACCOUNT: NOON}, {ACCOUNT: Mode.LIVE})


async def test_templates_of_several_accounts_are_found_at_once(templates: ProviderTemplates) -> None:
    locked = await templates.lock([news(), news(tenant_id=OTHER_TENANT, account_id=OTHER_ACCOUNT)])

    assert list(locked.templates) == [ours(), theirs()]
    assert locked.listed_at == {ACCOUNT: NOON, OTHER_ACCOUNT: None}


@pytest.mark.parametrize(
    "about",
    [{"external_id": "another", "language": "de"}, {"tenant_id": OTHER_TENANT}, {"account_id": OTHER_ACCOUNT}],
    ids=["unknown", "another tenant's", "another account's"],
)
async def test_what_the_news_are_not_about_is_not_found(templates: ProviderTemplates, about: dict[str, Any]) -> None:
    locked = await templates.lock([news(**about)])

    assert list(locked.templates) == []


async def test_a_template_is_read_as_it_was_changed(templates: ProviderTemplates) -> None:
    await templates.lock([news()])
    changed = ours(status=TemplateStatus.PAUSED, quality="RED", status_info={"title": "FIRST_PAUSE"}, status_at=NOON)

    await templates.update([changed])
    await templates.update([])

    assert list((await templates.lock([news()])).templates) == [changed]


# --- accounts without a scheduled listing -----------------------------------------------------------------------------


class Schedule(NamedTuple):
    """`write_as_before` leaves behind what a worker of an earlier release wrote for the first tenant's account."""

    open_uow: Callable[[], AbstractAsyncContextManager[Any]]
    schedule: Callable[[Any], SyncSchedule]
    write_as_before: Callable[[], Awaitable[None]]

    async def unscheduled(self) -> list[AccountId]:
        async with self.open_uow() as uow:
            assert not await self.schedule(uow).unscheduled(["acme"])
            return sorted(it.account_id for it in await self.schedule(uow).unscheduled(["whatsapp_cloud"]))

    async def ask(self) -> None:
        async with self.open_uow() as uow:
            await uow.outbox.enqueue([listing(TENANT, Mode.LIVE, ACCOUNT)])
            await uow.commit()


@pytest.fixture
async def schedule_in_memory() -> Schedule:
    earlier: list[NewJob] = []
    active = [
        ReviewedAccount(tenant_id=TENANT, mode=Mode.LIVE, account_id=ACCOUNT),
        ReviewedAccount(tenant_id=OTHER_TENANT, mode=Mode.LIVE, account_id=OTHER_ACCOUNT),
    ]

    async def write_as_before() -> None:
        earlier.append(listing(TENANT, Mode.LIVE, ACCOUNT))

    return Schedule(InMemoryJobs().open_uow, lambda uow: InMemorySyncSchedule(uow, active, earlier), write_as_before)


@pytest.fixture
async def schedule_in_postgres(engines: Engines) -> Schedule:
    await seed_tenant(engines)
    await seed_other_tenant(engines)

    async def write_as_before() -> None:
        async with transaction(engines.system) as opened:
            await opened.driver.execute(
                "INSERT INTO dispatches (tenant_id, subject_id, kind, due_at)"
                " VALUES ($1, $2, 'sync_templates', clock_timestamp())",
                *(TENANT, ACCOUNT),
            )
            await opened.commit()

    return Schedule(PostgresSystemUnitOfWorkFactory(engines.system), lambda uow: uow.sync_schedule, write_as_before)


@pytest.fixture(params=["schedule_in_memory", "schedule_in_postgres"])
def schedule(request: pytest.FixtureRequest) -> Schedule:
    found: Schedule = request.getfixturevalue(request.param)
    return found


async def test_active_accounts_are_unscheduled_until_their_listing_is_asked_for(schedule: Schedule) -> None:
    assert await schedule.unscheduled() == sorted([ACCOUNT, OTHER_ACCOUNT])

    await schedule.ask()

    assert await schedule.unscheduled() == [OTHER_ACCOUNT]


async def test_what_an_earlier_release_asked_for_becomes_a_job_once(schedule: Schedule) -> None:
    await schedule.write_as_before()
    async with schedule.open_uow() as uow:
        assert await schedule.schedule(uow).carry_over() == 1
        await uow.commit()

    assert await schedule.unscheduled() == [OTHER_ACCOUNT]
    async with schedule.open_uow() as uow:
        assert await schedule.schedule(uow).carry_over() == 0
        wanted = Wanted(lane=JobLane.BULK, leases={"sync_templates": HOUR}, limit=9, most_each=9)
        [claimed] = (await uow.due_jobs.claim(wanted)).jobs
    assert decode(claimed.payload) == SyncTemplates(account_id=ACCOUNT)


# --- held messages ----------------------------------------------------------------------------------------------------


async def hold(store: MessageStore, key: MessageKey, reason: str = "template_paused") -> None:
    await store.move(
        key, lambda at: lifecycle.release(at, epoch=at.epoch, reason=reason, due_at=at.now + timedelta(hours=1))
    )


async def released(store: MessageStore, *, template: TemplateId = TEMPLATE, limit: int = 9) -> int:
    async with store.open_uow() as uow:
        count = await uow.held_messages.release_some(TENANT, template, limit)
        await uow.commit()
    return count


async def test_messages_that_wait_for_a_template_are_let_go(store: MessageStore) -> None:
    first, second = await store.accept([a_new_message(), a_new_message()])
    await store.claim()
    await hold(store, first)
    await hold(store, second, "template_changed")
    assert await store.claim() == []

    assert await released(store) == 2

    assert set(await store.claim()) == {first, second}
    assert await released(store) == 0


async def test_messages_are_let_go_up_to_a_limit_at_a_time(store: MessageStore) -> None:
    keys = await store.accept([a_new_message() for _ in range(3)])
    await store.claim()
    for key in keys:
        await hold(store, key)

    assert [await released(store, limit=2), await released(store, limit=2)] == [2, 1]


async def test_messages_that_wait_for_something_else_stay(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim()
    await hold(store, key, "sender_paused")

    assert await released(store) == 0


async def test_messages_of_another_template_stay(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim()
    await hold(store, key)

    assert await released(store, template=OTHER_TEMPLATE) == 0
