"""Figures of one mode of a tenant for its health page: lanes, dead letters, unconfirmed messages, webhooks."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.session.transactions import Driver, transaction
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.vitals import Heard
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import AccountId, TenantId
from messaging.domain.shared.mode import TenantScope

# Index: dispatches_lane_idx, one flow after another, each in the order of its due times.
LANES: Final = """
SELECT s.channel, p.priority, sum(d.due)::int AS due, sum(d.waiting)::int AS waiting, min(d.oldest) AS oldest_due_at
FROM senders s CROSS JOIN unnest($3::text[]) AS p(priority) CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE c.due_at <= statement_timestamp()) AS due,
           count(*) FILTER (WHERE c.due_at > statement_timestamp()) AS waiting,
           min(c.due_at) FILTER (WHERE c.due_at <= statement_timestamp()) AS oldest
    FROM (SELECT q.due_at FROM dispatches q
          WHERE q.kind = 'deliver' AND q.channel = s.channel AND q.priority = p.priority
            AND q.tenant_id = $1 AND q.sender_id = s.id LIMIT $4) AS c
) AS d
WHERE s.tenant_id = $1 AND s.mode = $2
GROUP BY s.channel, p.priority HAVING sum(d.due + d.waiting) > 0
ORDER BY s.channel, p.priority
"""

# Indexes: dead_letters_open_idx, backwards; messages_pkey.
OPEN_LETTERS: Final = """
SELECT count(*)::int FROM (
    SELECT l.message_id FROM dead_letters l WHERE l.tenant_id = $1 AND l.resolved_at IS NULL
    ORDER BY l.message_id DESC LIMIT $3
) AS l
WHERE EXISTS (SELECT FROM messages m WHERE m.tenant_id = $1 AND m.id = l.message_id AND m.mode = $2 OFFSET 0)
"""

# Indexes: events_rare_state_idx, backwards; messages_pkey.
UNCONFIRMED: Final = """
SELECT count(*)::int FROM (
    SELECT DISTINCT ON (e.message_id) e.message_id FROM events e
    WHERE e.tenant_id = $1 AND e.state = 'unconfirmed'
      AND e.state IN ('unknown', 'failed', 'expired', 'cancelled', 'unconfirmed', 'dead')
    ORDER BY e.message_id DESC LIMIT $3
) AS e
WHERE EXISTS (
    SELECT FROM messages m
    WHERE m.tenant_id = $1 AND m.id = e.message_id AND m.mode = $2 AND m.state = 'unconfirmed' OFFSET 0)
"""

# Indexes: raw_webhooks_pkey and raw_webhooks_aside_idx, backwards.
HEARD: Final = """
WITH newest AS (
    SELECT r.account_id, r.received_at FROM raw_webhooks r WHERE r.tenant_id = $1 ORDER BY r.id DESC LIMIT 1000
), aside AS (
    SELECT r.tenant_id, r.account_id FROM raw_webhooks r WHERE r.problem IS NOT NULL ORDER BY r.id DESC LIMIT 10000
)
SELECT a.id AS account_id, (SELECT max(n.received_at) FROM newest n WHERE n.account_id = a.id) AS last_at,
       (SELECT count(*) FROM aside s WHERE s.tenant_id = $1 AND s.account_id = a.id)::int AS set_aside
FROM provider_accounts a WHERE a.tenant_id = $1
"""

# A generic plan fits any tenant, and planning anew over a year of partitions takes longer than the query.
_SETTINGS: Final = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_sort = off"


class PostgresVitals:
    """A tenant's figures of one mode, read in one open transaction."""

    def __init__(self, driver: Driver, scope: TenantScope) -> None:
        self._driver = driver
        self._tenant_id, self._mode = scope

    async def lanes(self, *, most: int) -> Sequence[LaneDepth]:
        rows = await self._driver.fetch(LANES, self._tenant_id, self._mode, list(Priority), most)
        return [
            LaneDepth(
                lane=DeliverLane(channel=Channel(row["channel"]), priority=Priority(row["priority"])),
                due=row["due"],
                waiting=row["waiting"],
                oldest_due_at=row["oldest_due_at"],
            )
            for row in rows
        ]

    async def open_dead_letters(self, *, most: int) -> int:
        return await self._count(OPEN_LETTERS, most)

    async def unconfirmed(self, *, most: int) -> int:
        return await self._count(UNCONFIRMED, most)

    async def _count(self, query: str, most: int) -> int:
        await self._driver.execute(_SETTINGS)
        count: int = await self._driver.fetchval(query, self._tenant_id, self._mode, most)
        return count


class PostgresWebhooksHeard:
    """Times of the latest webhooks of a tenant's accounts, read through the `system` engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, tenant_id: TenantId) -> Mapping[AccountId, Heard]:
        async with transaction(self._engine) as opened:
            rows = await opened.driver.fetch(HEARD, tenant_id)
        return {AccountId(row["account_id"]): Heard(last_at=row["last_at"], set_aside=row["set_aside"]) for row in rows}
