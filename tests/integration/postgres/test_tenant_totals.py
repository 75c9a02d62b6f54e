"""Each message is counted once for its tenant, by one process at a time, some minutes after it was accepted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from messaging.adapters.postgres.operations.tenant_totals import PostgresTenantTotals
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.domain.shared.ids import MessageId
from tests.builders import OTHER_TENANT, TENANT
from tests.seeding import OTHER_ACCOUNT, OTHER_SENDER, a_new_message, accept, seed_other_tenant, seed_tenant

OF_OTHER: dict[str, Any] = {
    "tenant_id": OTHER_TENANT,
    "account_id": OTHER_ACCOUNT,
    "sender_id": OTHER_SENDER,
    "template_id": None,
}


@pytest.fixture
async def totals(engines: Engines) -> PostgresTenantTotals:
    """Counted up to now; the counting belongs to `w1`."""
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    totals = PostgresTenantTotals(engines.system)
    assert await totals.count("w1")
    return totals


def accepted(minutes_ago: float) -> MessageId:
    """The id of a message that was accepted so long ago."""
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return MessageId(UUID(int=int(at.timestamp() * 1000) << 80 | uuid7().int & ((1 << 80) - 1)))


async def counted_up_to(engines: Engines, minutes_ago: float) -> None:
    async with transaction(engines.system) as opened:
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        await opened.driver.execute("UPDATE tenant_counting SET counted_until = $1", at)
        await opened.commit()


async def shown(totals: PostgresTenantTotals, most: int | None = None) -> Sequence[tuple[UUID, str, int]]:
    return [(it.tenant_id, it.status, it.messages) for it in await totals.of_tenants(most)]


async def test_messages_are_counted_once_when_they_are_five_minutes_old(
    engines: Engines, totals: PostgresTenantTotals
) -> None:
    await accept(engines, [a_new_message(id=accepted(minutes)) for minutes in (4.5, 6, 7, 90)])
    await accept(engines, [a_new_message(id=accepted(8), **OF_OTHER)])
    await counted_up_to(engines, 60)

    await totals.count("w1")
    await totals.count("w1")

    assert await shown(totals) == [(TENANT, "queued", 2), (OTHER_TENANT, "queued", 1)]
    assert await shown(totals, 1) == [(TENANT, "queued", 2)]


async def test_totals_rise(engines: Engines, totals: PostgresTenantTotals) -> None:
    for minutes in (20, 10):
        await accept(engines, [a_new_message(id=accepted(minutes))])
        await counted_up_to(engines, minutes + 1)
        await totals.count("w1")

    [(_, _, messages)] = await shown(totals)
    assert messages == 2


async def test_one_process_counts_until_it_has_been_silent(engines: Engines, totals: PostgresTenantTotals) -> None:
    before = (await totals.count("w2"), await totals.count("w1"))
    async with transaction(engines.system) as opened:
        await opened.driver.execute("UPDATE tenant_counting SET leads_until = clock_timestamp() - interval '1 s'")
        await opened.commit()

    assert before == (False, True)
    assert (await totals.count("w2"), await totals.count("w1")) == (True, False)
