"""Pending events as the fan-out takes them: by tenant, in their order, by one transaction at a time."""

from collections.abc import Sequence
from typing import Final

from asyncpg import Record

from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.announcements import SubjectKind
from messaging.application.ports.callbacks.fan_out import PendingEvent, Waiting
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode

# Index: pending_events_pkey; it is asked for the next tenant, as often as there are tenants.
WAITING: Final = """
WITH RECURSIVE tenant AS (
    (SELECT p.tenant_id FROM pending_events p
     WHERE p.tenant_id > COALESCE($1, '00000000-0000-0000-0000-000000000000'::uuid) ORDER BY p.tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.tenant_id FROM pending_events p
            WHERE p.tenant_id > tenant.tenant_id ORDER BY p.tenant_id LIMIT 1)
    FROM tenant WHERE tenant.tenant_id IS NOT NULL
)
SELECT ARRAY(SELECT tenant_id FROM tenant WHERE tenant_id IS NOT NULL LIMIT $2) AS tenants,
       (SELECT count(*) FROM (
            SELECT FROM pending_events p WHERE p.tenant_id > '00000000-0000-0000-0000-000000000000' LIMIT 10000
        ) counted) AS events
"""

# Held until the transaction ends. Its end is visible before the lock is free.
LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('callbacks.fan_out:' || $1::uuid, 0))"

# Index: pending_events_pkey. A statement of its own after the lock, so that it sees what the last holder has left.
TAKE: Final = """
SELECT p.number, p.mode, p.subject_kind, p.subject_id, p.sequence, p.type, p.occurred_at, p.created_at, p.data,
       p.trace_id
FROM pending_events p WHERE p.tenant_id = $1 ORDER BY p.number LIMIT $2
"""

# Index: pending_events_pkey.
REMOVE: Final = "DELETE FROM pending_events p WHERE p.tenant_id = $1 AND p.number = ANY($2::bigint[])"


class PostgresPending:
    """Pending events, in one open transaction of the platform."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def waiting(self, *, after: TenantId | None, limit: int) -> Waiting:
        row = await self._driver.fetchrow(WAITING, after, limit)
        assert row is not None
        return Waiting([TenantId(id) for id in row["tenants"]], row["events"])

    async def take(self, tenant_id: TenantId, limit: int) -> Sequence[PendingEvent] | None:
        if not await self._driver.fetchval(LOCK, tenant_id):
            return None
        return [_pending(tenant_id, row) for row in await self._driver.fetch(TAKE, tenant_id, limit)]

    async def remove(self, tenant_id: TenantId, numbers: Sequence[int]) -> None:
        await self._driver.execute(REMOVE, tenant_id, numbers)


def _pending(tenant_id: TenantId, row: Record) -> PendingEvent:
    return PendingEvent(
        tenant_id=tenant_id,
        number=row["number"],
        mode=Mode(row["mode"]),
        kind=SubjectKind(row["subject_kind"]),
        subject_id=row["subject_id"],
        sequence=row["sequence"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        created_at=row["created_at"],
        data=row["data"],
        trace_id=row["trace_id"],
    )
