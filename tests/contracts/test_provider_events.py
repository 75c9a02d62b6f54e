"""The fake and Postgres keep the same events of providers, and list them alike."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.webhooks.provider_events import PostgresProviderEvents
from messaging.application.ports.provider_events import NewProviderEvent, ProviderEventFilter, ProviderEvents
from messaging.domain.shared.ids import EventId, WebhookId
from messaging.domain.shared.mode import Mode, TenantScope
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, TENANT
from tests.fakes.provider_events import InMemoryProviderEvents
from tests.seeding import OTHER_ACCOUNT, seed_other_tenant, seed_tenant

EVERYTHING = ProviderEventFilter()
SCOPE = TenantScope(TENANT, Mode.LIVE)
WEBHOOK = WebhookId(UUID("019df2d9-4c00-7000-8000-000000000091"))


def an_id(number: int) -> EventId:
    return EventId(UUID(f"019df2d9-4c00-7000-8000-0000000001{number:02}"))


@pytest.fixture(params=["in_memory", "postgres"])
async def events(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[ProviderEvents]:
    """Both for the system, which adds for all tenants, and for one tenant, who reads."""
    if request.param == "in_memory":
        yield InMemoryProviderEvents({ACCOUNT: Mode.LIVE, OTHER_ACCOUNT: Mode.LIVE}, SCOPE)
        return
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    async with transaction(engines.system) as opened:
        yield PostgresProviderEvents(opened.driver, SCOPE)


def an_event(number: int = 1, **changes: Any) -> NewProviderEvent:
    fields: dict[str, Any] = {
        "id": an_id(number),
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "webhook_id": WEBHOOK,
        "kind": "account_update",
        "sender_external_id": None,
        "occurred_at": NOON,
        "received_at": NOON,
        "size": 6,
        "digest": number.to_bytes(32),
        "sealed": b"sealed",
    }
    return NewProviderEvent(**(fields | changes))


async def ids(events: ProviderEvents, wanted: ProviderEventFilter, **place: Any) -> list[EventId]:
    page: dict[str, Any] = {"before": None, "limit": 10, "largest": 100} | place
    return [row.id for row in await events.page(wanted, **page)]


async def test_what_is_told_again_is_kept_once(events: ProviderEvents) -> None:
    assert await events.add([an_event(1), an_event(2), an_event(3, digest=(1).to_bytes(32))]) == {an_id(1), an_id(2)}
    assert await events.add([an_event(4, digest=(1).to_bytes(32))]) == set()
    assert await events.add([]) == set()

    assert await ids(events, EVERYTHING) == [an_id(2), an_id(1)]


async def test_a_list_is_narrowed_by_kind_and_account_and_goes_on_from_a_place(events: ProviderEvents) -> None:
    await events.add([an_event(1), an_event(2, kind="security"), an_event(3), an_event(4)])

    assert await ids(events, ProviderEventFilter(kind="security")) == [an_id(2)]
    assert await ids(events, ProviderEventFilter(account_id=OTHER_ACCOUNT)) == []
    assert await ids(events, ProviderEventFilter(kind="account_update", account_id=ACCOUNT), limit=2) == [
        an_id(4),
        an_id(3),
    ]
    assert await ids(events, EVERYTHING, before=an_id(3)) == [an_id(2), an_id(1)]


async def test_a_large_content_is_shown_only_by_itself(events: ProviderEvents) -> None:
    await events.add([an_event(size=101)])

    [listed] = await events.page(EVERYTHING, before=None, limit=1, largest=100)
    alone = await events.one(an_id(1))

    assert (listed.size, listed.sealed) == (101, None)
    assert alone is not None
    assert (alone.sealed, alone.kind, alone.occurred_at, alone.webhook_id) == (
        b"sealed",
        "account_update",
        NOON,
        WEBHOOK,
    )


async def test_another_tenants_events_are_not_there(events: ProviderEvents) -> None:
    await events.add([an_event(1, tenant_id=OTHER_TENANT, account_id=OTHER_ACCOUNT)])

    assert await ids(events, EVERYTHING) == []
    assert await events.one(an_id(1)) is None
