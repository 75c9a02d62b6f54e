"""The fake and Postgres tell the condition of one mode of a tenant alike."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import pytest

from messaging.adapters.postgres.operations.vitals import PostgresWebhooksHeard
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.adapters.postgres.webhooks.raw_webhooks import PostgresWebhookStore
from messaging.application.ports.raw_webhooks import RawWebhook, WebhookStore
from messaging.application.ports.vitals import Heard, WebhooksHeard
from messaging.domain.messages.message import Category, Priority
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import WebhookId
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, TENANT
from tests.contracts.stores import LANE, MessageStore
from tests.fakes.raw_webhooks import InMemoryRawWebhooks
from tests.fakes.vitals import InMemoryWebhooksHeard
from tests.seeding import a_new_message, seed_tenant

LATER = NOON.replace(year=2100)


async def test_lanes_tell_what_is_due_and_what_waits(store: MessageStore) -> None:
    await store.accept([a_new_message(), a_new_message(), a_new_message(send_at=LATER)])
    await store.accept([a_new_message(priority=Priority.CRITICAL, category=Category.AUTHENTICATION, send_at=LATER)])

    async with store.tenant() as uow:
        critical, default = await uow.vitals.lanes(most=9)

    assert (default.lane, default.due, default.waiting) == (LANE, 2, 1)
    assert default.oldest_due_at is not None
    assert (critical.lane.priority, critical.due, critical.waiting) == (Priority.CRITICAL, 0, 1)
    assert critical.oldest_due_at is None


async def test_a_lane_is_counted_up_to_a_bound_for_each_sender(store: MessageStore) -> None:
    await store.accept([a_new_message() for _ in range(4)])

    async with store.tenant() as uow:
        [lane] = await uow.vitals.lanes(most=3)

    assert lane.due + lane.waiting == 3


async def test_open_letters_are_counted_up_to_a_bound(store: MessageStore) -> None:
    first, *_ = [await store.dead(a_new_message()) for _ in range(3)]

    async with store.tenant() as uow:
        assert await uow.vitals.open_dead_letters(most=9) == 3
        assert await uow.vitals.open_dead_letters(most=2) == 2
    await store.move(first, lambda state: lifecycle.requeue(state, by="key_1"))

    async with store.tenant() as uow:
        assert await uow.vitals.open_dead_letters(most=9) == 2
    async with store.open(TENANT, Mode.TEST) as uow:
        assert await uow.vitals.open_dead_letters(most=9) == 0


async def test_messages_are_unconfirmed_until_somebody_decides(store: MessageStore) -> None:
    first, second = [await store.unclear(a_new_message()) for _ in range(2)]
    for key in (first, second):
        await store.move(key, lifecycle.resolve_unknown)

    async with store.tenant() as uow:
        assert await uow.vitals.unconfirmed(most=9) == 2
        assert await uow.vitals.unconfirmed(most=1) == 1
    await store.move(first, lambda state: lifecycle.resolve(state, by="key_1", reason="called them"))

    async with store.tenant() as uow:
        assert await uow.vitals.unconfirmed(most=9) == 1
    async with store.open(OTHER_TENANT, Mode.LIVE) as uow:
        assert await uow.vitals.unconfirmed(most=9) == 0
        assert list(await uow.vitals.lanes(most=9)) == []


# --- webhooks ---------------------------------------------------------------------------------------------------------


class Heeding(NamedTuple):
    """`set_aside` says of a stored webhook that it cannot be processed."""

    webhooks: WebhookStore
    heard: WebhooksHeard
    set_aside: Callable[[RawWebhook], Awaitable[None]]


@pytest.fixture(params=["in_memory", "postgres"])
async def heeding(request: pytest.FixtureRequest, engines: Engines) -> Heeding:
    if request.param == "in_memory":
        fake = InMemoryRawWebhooks()
        heard = InMemoryWebhooksHeard(fake, [ACCOUNT])
        return Heeding(fake, heard, lambda webhook: fake.set_aside(webhook, problem="not JSON"))
    await seed_tenant(engines)

    async def set_aside(webhook: RawWebhook) -> None:
        async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
            await uow.raw_webhooks.set_aside(webhook, problem="not JSON")
            await uow.commit()

    return Heeding(PostgresWebhookStore(engines.system), PostgresWebhooksHeard(engines.system), set_aside)


def a_webhook(number: int) -> RawWebhook:
    id = WebhookId(UUID(int=TENANT.int + number))
    return RawWebhook(
        id=id,
        tenant_id=TENANT,
        account_id=ACCOUNT,
        provider="whatsapp_cloud",
        digest=id.bytes * 2,
        sealed=b"sealed",
        received_at=NOON + timedelta(seconds=number),
    )


async def test_an_account_that_nothing_was_heard_of_is_told_as_such(heeding: Heeding) -> None:
    assert await heeding.heard.of(TENANT) == {ACCOUNT: Heard(last_at=None, set_aside=0)}


async def test_the_last_webhook_of_an_account_is_told(heeding: Heeding) -> None:
    await heeding.webhooks.store_many([a_webhook(1), a_webhook(2)])

    assert await heeding.heard.of(TENANT) == {ACCOUNT: Heard(last_at=NOON + timedelta(seconds=2), set_aside=0)}


async def test_webhooks_that_were_set_aside_are_counted(heeding: Heeding) -> None:
    await heeding.webhooks.store_many([a_webhook(1), a_webhook(2)])

    await heeding.set_aside(a_webhook(1))

    assert await heeding.heard.of(TENANT) == {ACCOUNT: Heard(last_at=NOON + timedelta(seconds=2), set_aside=1)}
