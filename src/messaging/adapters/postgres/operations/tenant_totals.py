"""Counts each tenant's messages into totals, afterwards: accepting and sending a message write nothing for it.

Messages have ids that rise with time, so a minute of a tenant's messages is a range of the primary key. Each message is
counted once, with the status it has five minutes after it was accepted: by then nearly all have left.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.session.transactions import Driver, transaction
from messaging.application.ports.tenant_totals import TenantTotal
from messaging.domain.channels.address import Channel
from messaging.domain.messages.state import State, public
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode

# How old a message is when it is counted. Ids come from the clocks of the accepting processes.
_AGE: Final = timedelta(minutes=5)
# The longest stretch that one transaction counts, so that a worker that was away for a day catches up in bites.
_BITE: Final = timedelta(minutes=10)
_LEASE: Final = timedelta(seconds=90)

# Locks the one row, so that two processes never count the same minute. The first of all counts begins here.
LEAD: Final = """
INSERT INTO tenant_counting AS c (leader, leads_until, counted_until)
VALUES ($1, clock_timestamp() + $2::interval, clock_timestamp() - $3::interval)
ON CONFLICT (one) DO UPDATE SET leader = excluded.leader, leads_until = excluded.leads_until
    WHERE c.leader = excluded.leader OR c.leads_until < clock_timestamp()
RETURNING counted_until, clock_timestamp() - $3::interval AS ripe_until
"""

# Index: messages_pkey, a range for each tenant. OFFSET 0 keeps it one look for each tenant, whatever the statistics say
# of a week that has just begun.
COUNT: Final = """
INSERT INTO tenant_totals AS t (tenant_id, mode, channel, state, messages)
SELECT c.tenant_id, c.mode, c.channel, c.state, count(*)
FROM tenants n CROSS JOIN LATERAL (
    SELECT m.tenant_id, m.mode, m.channel, m.state FROM messages m
    WHERE m.tenant_id = n.id AND m.id >= uuid_floor($1) AND m.id < uuid_floor($2)
    OFFSET 0
) c
GROUP BY c.tenant_id, c.mode, c.channel, c.state
ON CONFLICT (tenant_id, mode, channel, state) DO UPDATE SET messages = t.messages + excluded.messages
"""

COUNTED: Final = "UPDATE tenant_counting SET counted_until = $1 WHERE one"

TOTALS: Final = """
WITH largest AS (
    SELECT t.tenant_id FROM tenant_totals t GROUP BY t.tenant_id ORDER BY sum(t.messages) DESC, t.tenant_id LIMIT $1
)
SELECT t.tenant_id, t.mode, t.channel, t.state, t.messages
FROM tenant_totals t JOIN largest USING (tenant_id)
ORDER BY t.tenant_id, t.mode, t.channel, t.state
"""


class PostgresTenantTotals:
    """Counts and reads totals through the `system` engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def count(self, name: str) -> bool:
        behind = True
        while behind:
            async with transaction(self._engine) as opened:
                leading = await opened.driver.fetchrow(LEAD, name, _LEASE, _AGE)
                if leading is None:
                    return False
                behind = await _count(opened.driver, leading["counted_until"], leading["ripe_until"])
                await opened.commit()
        return True

    async def of_tenants(self, most: int | None) -> Sequence[TenantTotal]:
        async with transaction(self._engine) as opened:
            rows = await opened.driver.fetch(TOTALS, most)
        return [
            TenantTotal(
                tenant_id=TenantId(row["tenant_id"]),
                mode=Mode(row["mode"]),
                channel=Channel(row["channel"]),
                status=public(State(row["state"])),
                messages=row["messages"],
            )
            for row in rows
        ]


async def _count(driver: Driver, since: datetime, ripe_until: datetime) -> bool:
    """Count one bite; returns whether more is ripe."""
    until = min(ripe_until, since + _BITE)
    if until <= since:
        return False
    await driver.execute(COUNT, since, until)
    await driver.execute(COUNTED, until)
    return until < ripe_until
