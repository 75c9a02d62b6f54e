"""Counts what waits for endpoints, and endpoints by the state of their breaker."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.session.transactions import autocommit
from messaging.application.ports.callbacks.delivering.depths import CallbackDepths
from messaging.domain.callbacks.breaker import BreakerState

_MOST: Final = 10_000

# The table of lanes is small, with one row for each endpoint.
LANES: Final = """
SELECT breaker, count(*) AS lanes, count(*) FILTER (WHERE in_slow_pool) AS slow,
       EXTRACT(epoch FROM statement_timestamp() - min(due_at) FILTER (
           WHERE breaker = 'closed' AND NOT leased AND due_at <= statement_timestamp()))::float8 AS oldest_due
FROM callback_lanes GROUP BY breaker
"""

# Index: callback_queue_due_idx, of each lane that is due.
DUE: Final = f"""
SELECT count(*) FROM (
    SELECT FROM callback_lanes l CROSS JOIN LATERAL (
        SELECT FROM callback_queue q
        WHERE q.tenant_id = l.tenant_id AND q.endpoint_id = l.endpoint_id AND q.head
          AND q.due_at <= statement_timestamp() LIMIT {_MOST}
    ) q
    WHERE l.breaker = 'closed' AND l.due_at < 'infinity' LIMIT {_MOST}
) due
"""

# Index: callback_queue_held_idx.
HELD: Final = f"SELECT count(*) FROM (SELECT FROM callback_queue q WHERE q.held LIMIT {_MOST}) held"

# Index: pending_events_pkey. Of the first tenants' first ones: they are taken in that order.
PENDING: Final = """
SELECT EXTRACT(epoch FROM statement_timestamp() - min(p.created_at))::float8
FROM (SELECT created_at FROM pending_events ORDER BY tenant_id, number LIMIT 1000) p
"""


class PostgresCallbackVitals:
    """See `CallbackVitals`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def depths(self) -> CallbackDepths:
        async with autocommit(self._engine) as driver:
            rows = await driver.fetch(LANES)
            due = await driver.fetchval(DUE)
            held = await driver.fetchval(HELD)
            pending = await driver.fetchval(PENDING)
        counted = {row["breaker"]: row["lanes"] for row in rows}
        return CallbackDepths(
            lanes={state.value: counted.get(state, 0) for state in BreakerState},
            slow=sum(row["slow"] for row in rows),
            due=due,
            held=held,
            oldest_due=max((row["oldest_due"] or 0.0 for row in rows), default=0.0),
            oldest_pending=pending or 0.0,
        )
