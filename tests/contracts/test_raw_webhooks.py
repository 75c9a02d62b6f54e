"""Do the fake and Postgres keep the provider's bytes, and early receipts, alike?"""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.adapters.postgres.webhooks.raw_webhooks import PostgresWebhookStore
from messaging.application.ports.raw_webhooks import RawWebhook, RawWebhooks, WebhookStore
from messaging.domain.shared.ids import WebhookId
from tests.builders import ACCOUNT, NOON, TENANT
from tests.fakes.raw_webhooks import InMemoryRawWebhooks
from tests.seeding import seed_tenant

FIRST = WebhookId(UUID("019df2d9-4c00-7000-8000-000000000081"))
SECOND = WebhookId(UUID("019df2d9-4c00-7000-8000-000000000082"))
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


class Inbox(NamedTuple):
    """`open` yields the worker's side inside a transaction that is committed in the end."""

    store: WebhookStore
    open: Callable[[], AbstractAsyncContextManager[RawWebhooks]]


@pytest.fixture(params=["in_memory", "postgres"])
async def webhooks(request: pytest.FixtureRequest, engines: Engines) -> Inbox:
    if request.param == "in_memory":
        fake = InMemoryRawWebhooks()

        @asynccontextmanager
        async def opened() -> AsyncIterator[RawWebhooks]:
            yield fake

        return Inbox(fake, opened)
    await seed_tenant(engines)

    @asynccontextmanager
    async def committed() -> AsyncIterator[RawWebhooks]:
        async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
            yield uow.raw_webhooks
            await uow.commit()

    return Inbox(PostgresWebhookStore(engines.system), committed)


def a_webhook(id: WebhookId = FIRST, body: bytes = b"{}") -> RawWebhook:
    return RawWebhook(
        id=id,
        tenant_id=TENANT,
        account_id=ACCOUNT,
        provider="whatsapp_cloud",
        digest=hashlib.sha256(body).digest(),
        sealed=b"sealed " + body,
        received_at=NOON,
    )


async def test_what_is_stored_waits_as_it_came(webhooks: Inbox) -> None:
    assert await webhooks.store.store_many([a_webhook()]) == [True]

    async with webhooks.open() as raw_webhooks:
        assert list(await raw_webhooks.lock_due(10)) == [a_webhook()]


async def test_the_same_bytes_are_stored_once(webhooks: Inbox) -> None:
    first = await webhooks.store.store_many([a_webhook(), a_webhook(SECOND)])
    again = await webhooks.store.store_many([a_webhook(SECOND)])

    assert (first, again) == ([True, False], [False])
    async with webhooks.open() as raw_webhooks:
        assert list(await raw_webhooks.lock_due(10)) == [a_webhook()]


async def test_an_empty_batch_stores_nothing(webhooks: Inbox) -> None:
    assert list(await webhooks.store.store_many([])) == []


async def test_the_processed_do_not_wait_any_more(webhooks: Inbox) -> None:
    await webhooks.store.store_many([a_webhook(), a_webhook(SECOND, b"[]")])

    async with webhooks.open() as raw_webhooks:
        [one] = await raw_webhooks.lock_due(1)
        await raw_webhooks.processed([one])

    async with webhooks.open() as raw_webhooks:
        assert len(await raw_webhooks.lock_due(10)) == 1


async def test_what_cannot_be_processed_is_set_aside(webhooks: Inbox) -> None:
    await webhooks.store.store_many([a_webhook()])

    async with webhooks.open() as raw_webhooks:
        await raw_webhooks.set_aside(a_webhook(), problem="not JSON")

    async with webhooks.open() as raw_webhooks:
        assert list(await raw_webhooks.lock_due(10)) == []


async def test_what_was_set_aside_can_be_put_back_the_longest_waiting_first(webhooks: Inbox) -> None:
    first, second = a_webhook(), a_webhook(SECOND, b"[]")
    await webhooks.store.store_many([first, second])
    async with webhooks.open() as raw_webhooks:
        await raw_webhooks.set_aside(second, problem="not JSON")
        await raw_webhooks.set_aside(first, problem="not JSON")

    async with webhooks.open() as raw_webhooks:
        assert await raw_webhooks.put_back(1) == 1
    async with webhooks.open() as raw_webhooks:
        assert list(await raw_webhooks.lock_due(10)) == [second]
        assert await raw_webhooks.put_back(10) == 1

    async with webhooks.open() as raw_webhooks:
        assert {webhook.id for webhook in await raw_webhooks.lock_due(10)} == {FIRST, SECOND}
        assert await raw_webhooks.put_back(10) == 0


async def test_nothing_is_put_back_where_nobody_wrote_to_a_number_that_was_not_connected(webhooks: Inbox) -> None:
    await webhooks.store.store_many([a_webhook()])

    async with webhooks.open() as raw_webhooks:
        await raw_webhooks.processed([a_webhook()])
        assert await raw_webhooks.put_back_connected(10) == 0
