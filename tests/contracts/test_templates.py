"""The fakes and Postgres keep reviews of templates, the turns of their listings and held messages alike."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.configuration import ReviewedTemplates
from messaging.application.ports.templates import ProviderTemplates, TemplateRequests, TemplateSyncs
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import AccountId, TemplateId
from messaging.domain.shared.mode import BOTH_MODES
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template, TemplateStatus
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, TEMPLATE, TENANT, a_template
from tests.contracts.stores import MessageStore
from tests.fakes.configuration import InMemoryConfiguration
from tests.fakes.templates import InMemoryProviderTemplates, InMemoryTemplateWork
from tests.seeding import OTHER_ACCOUNT, OTHER_TEMPLATE, a_new_message, seed_other_tenant, seed_tenant

HOUR, LEASE = timedelta(hours=1), timedelta(minutes=10)
NOW = timedelta(0)
EXTERNAL_ID = "1407680676729941"

# --- reviews ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["in_memory", "postgres"])
async def templates(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[ProviderTemplates]:
    """Two tenants' templates, which differ in nothing but their owner; the first tenant's was listed at noon."""
    if request.param == "in_memory":
        fake = InMemoryConfiguration()
        fake.templates_ = {template.id: template for template in (ours(), theirs())}
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
    assert locked.listed_at == {ACCOUNT: NOON}


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

    assert (list(locked.templates), locked.listed_at) == ([], {})


async def test_a_template_is_read_as_it_was_changed(templates: ProviderTemplates) -> None:
    await templates.lock([news()])
    changed = ours(status=TemplateStatus.PAUSED, quality="RED", status_info={"title": "FIRST_PAUSE"}, status_at=NOON)

    await templates.update([changed])
    await templates.update([])

    assert list((await templates.lock([news()])).templates) == [changed]


# --- turns of listings ------------------------------------------------------------------------------------------------


class Turns(NamedTuple):
    """`waits` tells how long each account that has a turn waits for it."""

    requests: TemplateRequests
    syncs: TemplateSyncs
    waits: Callable[[], Awaitable[dict[AccountId, timedelta]]]


@pytest.fixture(params=["in_memory", "postgres"])
async def turns(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[Turns]:
    """Of two active accounts."""
    if request.param == "in_memory":
        fake = InMemoryTemplateWork()
        fake.active = [(TENANT, ACCOUNT), (OTHER_TENANT, OTHER_ACCOUNT)]

        async def waits() -> dict[AccountId, timedelta]:
            now = fake.clock()
            return {account: due_at - now for (_, account), (_, due_at) in fake.syncs.items()}

        yield Turns(fake, fake, waits)
        return
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:

        async def committed() -> dict[AccountId, timedelta]:
            await uow.commit()
            async with transaction(engines.system) as opened:
                rows = await opened.driver.fetch(
                    "SELECT subject_id, due_at - clock_timestamp() AS wait FROM dispatches"
                )
            return {AccountId(row["subject_id"]): row["wait"] for row in rows}

        yield Turns(uow.template_requests, uow.template_syncs, committed)


async def test_each_active_account_gets_one_turn_within_the_interval(turns: Turns) -> None:
    assert await turns.syncs.plan(HOUR) == 2
    assert await turns.syncs.plan(HOUR) == 0

    assert await turns.syncs.claim(lease=LEASE) is None
    assert all(HOUR * 0.45 < wait <= HOUR for wait in (await turns.waits()).values())


async def test_what_is_asked_for_is_due_at_once_and_claimed_by_one(turns: Turns) -> None:
    await turns.syncs.plan(HOUR)
    await turns.requests.read_anew([(TENANT, ACCOUNT)])

    claimed = await turns.syncs.claim(lease=LEASE)

    assert claimed is not None
    assert (claimed.tenant_id, claimed.account_id) == (TENANT, ACCOUNT)
    assert claimed.asked_at <= claimed.claimed_at
    assert await turns.syncs.claim(lease=LEASE) is None


async def test_the_one_that_is_due_for_longest_is_claimed_first(turns: Turns) -> None:
    for account in ((OTHER_TENANT, OTHER_ACCOUNT), (TENANT, ACCOUNT)):
        await turns.requests.read_anew([account])

    claimed = [await turns.syncs.claim(lease=LEASE) for _ in range(2)]

    assert [it and it.account_id for it in claimed] == [OTHER_ACCOUNT, ACCOUNT]


async def test_a_claim_lapses_with_its_lease(turns: Turns) -> None:
    await turns.requests.read_anew([(TENANT, ACCOUNT)])
    first = await turns.syncs.claim(lease=NOW)

    again = await turns.syncs.claim(lease=LEASE)

    assert first is not None
    assert again is not None
    assert (again.account_id, again.asked_at) == (first.account_id, first.asked_at)


async def test_a_listing_that_is_done_has_its_next_turn_later(turns: Turns) -> None:
    await turns.requests.read_anew([(TENANT, ACCOUNT)])
    claimed = await turns.syncs.claim(lease=LEASE)
    assert claimed is not None

    await turns.syncs.done(claimed, next_after=HOUR)

    assert await turns.syncs.claim(lease=LEASE) is None
    assert HOUR * 0.9 < (await turns.waits())[ACCOUNT] <= HOUR


async def test_a_listing_that_is_done_for_good_has_no_turn(turns: Turns) -> None:
    await turns.requests.read_anew([(TENANT, ACCOUNT)])
    claimed = await turns.syncs.claim(lease=LEASE)
    assert claimed is not None

    await turns.syncs.done(claimed, next_after=None)

    assert await turns.syncs.plan(HOUR) == 2


@pytest.mark.parametrize("next_after", [HOUR, None])
async def test_what_is_asked_for_meanwhile_is_read_once_more(turns: Turns, next_after: timedelta | None) -> None:
    await turns.requests.read_anew([(TENANT, ACCOUNT)])
    claimed = await turns.syncs.claim(lease=LEASE)
    assert claimed is not None
    await turns.requests.read_anew([(TENANT, ACCOUNT)])

    await turns.syncs.done(claimed, next_after=next_after)

    assert (await turns.waits())[ACCOUNT] <= LEASE
    assert await turns.syncs.plan(HOUR) == 1


async def test_a_listing_that_failed_is_still_wanted(turns: Turns) -> None:
    await turns.requests.read_anew([(TENANT, ACCOUNT)])
    claimed = await turns.syncs.claim(lease=LEASE)
    assert claimed is not None

    await turns.syncs.failed(claimed, again_after=NOW)

    again = await turns.syncs.claim(lease=LEASE)
    assert again is not None
    assert again.asked_at == claimed.asked_at


async def test_asking_for_nothing_is_fine(turns: Turns) -> None:
    await turns.requests.read_anew([])
    await turns.requests.release([])

    assert await turns.syncs.claim(lease=LEASE) is None


# --- held messages ----------------------------------------------------------------------------------------------------


async def hold(store: MessageStore, key: MessageKey, reason: str = "template_paused") -> None:
    await store.move(
        key, lambda at: lifecycle.release(at, epoch=at.epoch, reason=reason, due_at=at.now + timedelta(hours=1))
    )


async def released(store: MessageStore, *, limit: int = 9) -> int:
    async with store.open_uow() as uow:
        count = await uow.held_messages.release_some(limit)
        await uow.commit()
    return count


async def ask_for_release(store: MessageStore, template: TemplateId = TEMPLATE) -> None:
    async with store.open_uow() as uow:
        await uow.template_requests.release([(TENANT, template)])
        await uow.commit()


async def test_messages_that_wait_for_a_template_are_let_go_once_their_release_is_due(store: MessageStore) -> None:
    first, second = await store.accept([a_new_message(), a_new_message()])
    await store.claim()
    await hold(store, first)
    await hold(store, second, "template_changed")
    await ask_for_release(store)
    assert (await released(store), await store.claim()) == (0, [])

    await store.releases_are_due()

    assert await released(store) > 0
    assert set(await store.claim()) == {first, second}
    assert await released(store) == 0


async def test_messages_are_let_go_up_to_a_limit_at_a_time(store: MessageStore) -> None:
    keys = await store.accept([a_new_message() for _ in range(3)])
    await store.claim()
    for key in keys:
        await hold(store, key)
    await ask_for_release(store)
    await store.releases_are_due()

    claimed = []
    while await released(store, limit=2):
        claimed.append(len(await store.claim()))

    assert claimed == [2, 1]


async def test_messages_that_wait_for_something_else_stay(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim()
    await hold(store, key, "sender_paused")
    await ask_for_release(store)
    await store.releases_are_due()

    await released(store)

    assert await store.claim() == []


async def test_messages_of_another_template_stay(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim()
    await hold(store, key)
    await ask_for_release(store, OTHER_TEMPLATE)
    await store.releases_are_due()

    await released(store)

    assert await store.claim() == []
