"""Do the fake and Postgres remember alike who wrote last, and when?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.ports.conversations import Conversations, InboundRow, NewInbound
from messaging.domain.shared.ids import InboundId
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT, NOON, SENDER, TENANT
from tests.fakes.conversations import InMemoryConversations
from tests.seeding import seed_tenant

PHONE, USER = b"phone" * 6, b"user" * 8
FIRST = InboundId(UUID("019df2d9-4c00-7000-8000-000000000071"))
SECOND = InboundId(UUID("019df2d9-4c00-7000-8000-000000000072"))


@pytest.fixture(params=["in_memory", "postgres"])
async def conversations(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[Conversations]:
    if request.param == "in_memory":
        yield InMemoryConversations(TENANT)
        return
    await seed_tenant(engines)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        yield uow.conversations


def a_new_inbound(**changes: Any) -> NewInbound:
    fields: dict[str, Any] = {
        "id": FIRST,
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "sender_id": SENDER,
        "provider_message_id": "wamid.1",
        "kind": "text",
        "contact_indexes": (PHONE, USER),
        "sealed": b"sealed",
        "occurred_at": NOON,
        "opens_window": True,
    }
    return NewInbound(**(fields | changes))


async def test_a_message_opens_the_window_under_every_name_of_the_person(conversations: Conversations) -> None:
    await conversations.add_inbound([a_new_inbound()])

    last = await conversations.last_inbound(TENANT, [(SENDER, PHONE), (SENDER, USER), (SENDER, b"nobody")])

    assert last == {(SENDER, PHONE): NOON, (SENDER, USER): NOON}


async def test_the_latest_message_counts_whatever_the_order_of_arrival(conversations: Conversations) -> None:
    later, earlier = NOON + timedelta(hours=2), NOON + timedelta(hours=1)
    await conversations.add_inbound([a_new_inbound(provider_message_id="wamid.2", id=SECOND, occurred_at=later)])
    await conversations.add_inbound([a_new_inbound(occurred_at=earlier)])

    assert await conversations.last_inbound(TENANT, [(SENDER, PHONE)]) == {(SENDER, PHONE): later}


async def test_several_messages_of_one_person_at_once_count_as_the_latest(conversations: Conversations) -> None:
    later = NOON + timedelta(minutes=1)
    await conversations.add_inbound(
        [a_new_inbound(id=SECOND, provider_message_id="wamid.2", occurred_at=later), a_new_inbound()]
    )

    assert await conversations.last_inbound(TENANT, [(SENDER, PHONE)]) == {(SENDER, PHONE): later}


async def test_a_message_seen_before_changes_nothing(conversations: Conversations) -> None:
    await conversations.add_inbound([a_new_inbound()])

    await conversations.add_inbound([a_new_inbound(id=SECOND, occurred_at=NOON + timedelta(hours=1))])

    assert await conversations.last_inbound(TENANT, [(SENDER, PHONE)]) == {(SENDER, PHONE): NOON}
    assert [row.id for row in await conversations.page(before=None, limit=10)] == [FIRST]


async def test_a_notice_opens_no_window(conversations: Conversations) -> None:
    await conversations.add_inbound([a_new_inbound(opens_window=False)])

    assert await conversations.last_inbound(TENANT, [(SENDER, PHONE)]) == {}


async def test_pages_show_the_newest_first(conversations: Conversations) -> None:
    await conversations.add_inbound([a_new_inbound(), a_new_inbound(id=SECOND, provider_message_id="wamid.2")])

    [newest] = await conversations.page(before=None, limit=1)
    [oldest] = await conversations.page(before=newest.id, limit=5)

    assert (newest.id, oldest.id) == (SECOND, FIRST)
    assert isinstance(oldest, InboundRow)
    assert (oldest.sender_id, oldest.kind, oldest.sealed, oldest.occurred_at) == (SENDER, "text", b"sealed", NOON)


async def test_nothing_to_add_and_nobody_to_look_for_is_fine(conversations: Conversations) -> None:
    await conversations.add_inbound([])

    assert await conversations.last_inbound(TENANT, []) == {}
