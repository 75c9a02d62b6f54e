"""Do the fake and Postgres announce alike: in the order given, for who listens, with the transaction?"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec import Struct

from messaging.adapters.postgres.announcing.announcements import PostgresAnnouncements
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.callbacks.announcements import Announcement, SubjectKind
from messaging.domain.shared.mode import Mode
from tests.builders import NOON, OTHER_TENANT, TEMPLATE, TENANT
from tests.fakes.announcements import InMemoryAnnouncements
from tests.fakes.listening import InMemoryListening

LISTENING = InMemoryListening((TENANT, Mode.LIVE))


class Announcing(Struct):
    """`announce` is one transaction; `told` are types and subjects, in their order."""

    announce: Callable[[Sequence[Announcement]], Awaitable[None]]
    told: Callable[[], Awaitable[list[tuple[str, UUID]]]]


@pytest.fixture(params=["in_memory", "postgres"])
async def announcing(request: pytest.FixtureRequest, engines: Engines, database: str) -> Announcing:
    if request.param == "in_memory":
        fake = InMemoryAnnouncements(LISTENING)

        async def announced() -> list[tuple[str, UUID]]:
            return [(it.type, it.subject_id) for it in fake.announced]

        return Announcing(fake.announce, announced)

    async def announce(announcements: Sequence[Announcement]) -> None:
        async with transaction(engines.system) as opened:
            await PostgresAnnouncements(opened.driver, LISTENING).announce(announcements)
            await opened.commit()

    async def pending() -> list[tuple[str, UUID]]:
        connection = await asyncpg.connect(database)
        try:
            rows = await connection.fetch("SELECT type, subject_id FROM pending_events ORDER BY number")
        finally:
            await connection.close()
        return [(row["type"], row["subject_id"]) for row in rows]

    return Announcing(announce, pending)


def news(type: str = "template.approved", **changes: Any) -> Announcement:
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "mode": Mode.LIVE,
        "kind": SubjectKind.TEMPLATE,
        "subject_id": TEMPLATE,
        "type": type,
        "occurred_at": NOON,
        "data": {"name": "order_update"},
    }
    return Announcement(**(fields | changes))


async def test_announcements_keep_their_order(announcing: Announcing) -> None:
    types = ["template.paused", "template.approved", "template.disabled", "template.quality_changed"]

    await announcing.announce([news(type) for type in types])

    assert await announcing.told() == [(type, TEMPLATE) for type in types]


async def test_those_of_tenants_and_modes_without_an_endpoint_are_left_out(announcing: Announcing) -> None:
    await announcing.announce([news(tenant_id=OTHER_TENANT), news(mode=Mode.TEST)])
    await announcing.announce([])

    assert await announcing.told() == []
