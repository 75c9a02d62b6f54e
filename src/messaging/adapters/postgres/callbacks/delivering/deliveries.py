"""Reads what became of a tenant's callbacks, and switches its endpoints on and off."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from asyncpg import Record

from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.deliveries import AttemptRow, DeliveryRow, EndpointHealth
from messaging.domain.callbacks.endpoint import DisabledReason, EndpointStatus
from messaging.domain.shared.ids import CallbackAttemptId, CallbackEndpointId, CallbackEventId
from messaging.domain.shared.mode import TenantScope

_LAST: Final = UUID(int=2**128 - 1)

# Index: callback_attempts_endpoint_idx, backward, week by week.
ATTEMPTS: Final = """
SELECT a.id, a.event_id, a.n, a.started_at, a.finished_at, a.outcome, a.http_status, a.failure, a.url_host, a.ms,
       a.probe, a.response_excerpt_encrypted AS excerpt
FROM callback_attempts a
WHERE a.tenant_id = $1 AND a.endpoint_id = $2 AND a.id < $3
ORDER BY a.id DESC LIMIT $4
"""

# Indexes: callback_events_pkey; callback_ends_pkey and callback_queue_pkey for each endpoint of the tenant.
OF_EVENT: Final = """
SELECT e.id AS endpoint_id, n.state, n.attempts, n.last_failure, n.ended_at,
       q.attempts AS tries, q.held, q.head, CASE WHEN q.head THEN q.due_at END AS next_attempt_at
FROM callback_events v
JOIN callback_endpoints e ON e.tenant_id = v.tenant_id AND e.mode = v.mode
LEFT JOIN LATERAL (
    SELECT n.state, n.attempts, n.last_failure, n.ended_at FROM callback_ends n
    WHERE n.tenant_id = v.tenant_id AND n.endpoint_id = e.id AND n.event_id = v.id
) n ON true
LEFT JOIN LATERAL (
    SELECT q.attempts, q.held, q.head, q.due_at FROM callback_queue q
    WHERE q.tenant_id = v.tenant_id AND q.endpoint_id = e.id
      AND q.key IN (v.subject_kind || ':' || v.subject_id, v.id::text)
      AND q.sequence = v.sequence AND q.event_id = v.id
    LIMIT 1
) q ON true
WHERE v.tenant_id = $1 AND v.id = $2
ORDER BY e.id
"""

# Indexes: callback_endpoints_pkey, callback_lanes_pkey, callback_queue_due_idx, callback_queue_pkey,
# callback_queue_held_idx.
HEALTH: Final = """
SELECT e.status, e.disabled_reason, COALESCE(l.breaker, 'closed') AS breaker, COALESCE(l.failures, 0) AS failures,
       l.first_failure_at AS failing_since, l.last_success_at, CASE WHEN l.due_at < 'infinity' THEN l.due_at END
           AS next_look_at,
       (SELECT count(*) FROM (
           SELECT FROM callback_queue q WHERE q.tenant_id = e.tenant_id AND q.endpoint_id = e.id AND q.head
             AND q.due_at <= statement_timestamp() LIMIT 10000) q) AS due,
       (SELECT count(*) FROM (
           SELECT FROM callback_queue q WHERE q.tenant_id = e.tenant_id AND q.endpoint_id = e.id LIMIT 10000) q)
           AS waiting,
       (SELECT count(*) FROM (
           SELECT FROM callback_queue q WHERE q.tenant_id = e.tenant_id AND q.endpoint_id = e.id AND q.held
           LIMIT 10000) q) AS held
FROM callback_endpoints e
LEFT JOIN callback_lanes l ON l.tenant_id = e.tenant_id AND l.endpoint_id = e.id
WHERE e.tenant_id = $1 AND e.id = $2 AND e.mode = $3 AND e.status <> 'deleted'
"""

SWITCH: Final = """
UPDATE callback_endpoints SET status = $3, disabled_reason = NULL, updated_at = clock_timestamp()
WHERE tenant_id = $1 AND id = $2
"""

# Whoever claims the lane of an endpoint that is not enabled holds what waits in it.
WAKE: Final = """
UPDATE callback_lanes SET due_at = least(due_at, statement_timestamp())
WHERE tenant_id = $1 AND endpoint_id = $2 AND NOT leased
"""

CLOSE_BREAKER: Final = """
UPDATE callback_lanes SET breaker = 'closed', failures = 0, opened_at = NULL, probes = 0, first_failure_at = NULL,
    noticed = 0, not_before = NULL, in_slow_pool = false,
    due_at = CASE WHEN leased THEN due_at ELSE least(due_at, statement_timestamp()) END
WHERE tenant_id = $1 AND endpoint_id = $2
"""


class PostgresCallbackDeliveries:
    """Callbacks of one tenant in one mode, in one open transaction of the role `messaging_app`."""

    def __init__(self, driver: Driver, scope: TenantScope) -> None:
        self._driver = driver
        self._scope = scope

    async def attempts(
        self, endpoint_id: CallbackEndpointId, *, before: CallbackAttemptId | None, limit: int
    ) -> Sequence[AttemptRow]:
        rows = await self._driver.fetch(ATTEMPTS, self._scope.tenant_id, endpoint_id, before or _LAST, limit)
        return [AttemptRow(**dict(row)) for row in rows]

    async def of_event(self, event_id: CallbackEventId) -> Sequence[DeliveryRow] | None:
        rows = await self._driver.fetch(OF_EVENT, self._scope.tenant_id, event_id)
        if not rows:
            return None
        return [_delivery(row) for row in rows if row["state"] is not None or row["held"] is not None]

    async def health(self, endpoint_id: CallbackEndpointId) -> EndpointHealth | None:
        row = await self._driver.fetchrow(HEALTH, self._scope.tenant_id, endpoint_id, self._scope.mode.value)
        if row is None:
            return None
        reason = row["disabled_reason"]
        decoded = {
            "status": EndpointStatus(row["status"]),
            "disabled_reason": None if reason is None else DisabledReason(reason),
            "waiting": row["waiting"] - row["held"],
        }
        return EndpointHealth(**(dict(row) | decoded))

    async def switch(self, endpoint_id: CallbackEndpointId, status: EndpointStatus) -> None:
        key = (self._scope.tenant_id, endpoint_id)
        await self._driver.execute(SWITCH, *key, status)
        await self._driver.execute(CLOSE_BREAKER if status is EndpointStatus.ENABLED else WAKE, *key)


def _delivery(row: Record) -> DeliveryRow:
    """A replayed event that has ended before is told by what it waits for now."""
    waits = row["held"] is not None
    return DeliveryRow(
        endpoint_id=row["endpoint_id"],
        state=("held" if row["held"] else "due" if row["head"] else "waiting") if waits else row["state"],
        attempts=row["tries"] if waits else row["attempts"],
        last_failure=row["last_failure"],
        ended_at=None if waits else row["ended_at"],
        next_attempt_at=row["next_attempt_at"],
    )
