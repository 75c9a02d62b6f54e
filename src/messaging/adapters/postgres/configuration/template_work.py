"""Dispatches about templates: accounts whose templates must be read, and templates whose held messages may be sent.

The subject of a `sync_templates` dispatch is the account, of a `release_held` dispatch the template. `created_at` says
since when the work is wanted.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.templates import DueSync
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId

# Index: dispatches_pkey. A planned dispatch becomes due now. A dispatch that was asked for already, which a worker
# holds or will retry, keeps its due time: the worker finds that it was asked for once more.
ASK_FOR_SYNC: Final = """
INSERT INTO dispatches AS d (tenant_id, subject_id, kind, due_at)
SELECT g.tenant_id, g.subject_id, 'sync_templates', clock_timestamp()
FROM unnest($1::uuid[], $2::uuid[]) AS g(tenant_id, subject_id)
ON CONFLICT (tenant_id, subject_id) DO UPDATE
SET due_at = CASE WHEN d.created_at > clock_timestamp() THEN clock_timestamp() ELSE d.due_at END,
    created_at = clock_timestamp()
WHERE d.kind = excluded.kind
"""

# Index: dispatches_pkey. Due in two seconds: by then every process has seen the new status of the template, and a
# worker that was just holding a message back has recorded that.
ASK_FOR_RELEASE: Final = """
INSERT INTO dispatches AS d (tenant_id, subject_id, kind, due_at)
SELECT g.tenant_id, g.subject_id, 'release_held', clock_timestamp() + interval '2 seconds'
FROM unnest($1::uuid[], $2::uuid[]) AS g(tenant_id, subject_id)
ON CONFLICT (tenant_id, subject_id) DO UPDATE SET due_at = excluded.due_at
WHERE d.kind = excluded.kind
"""

# Indexes: provider_accounts_pkey, dispatches_pkey. An account's first dispatch is due after a half to a whole interval:
# connecting an account reads its templates at once, and a start of all workers must not ask all providers at once.
PLAN: Final = """
INSERT INTO dispatches (tenant_id, subject_id, kind, due_at, created_at)
SELECT a.tenant_id, a.id, 'sync_templates', first.turn, first.turn
FROM provider_accounts a
CROSS JOIN LATERAL (SELECT clock_timestamp() + $1::interval * (0.5 + random() / 2) AS turn) first
WHERE a.status = 'active' AND NOT EXISTS (
    SELECT FROM dispatches d WHERE d.tenant_id = a.tenant_id AND d.subject_id = a.id
)
ON CONFLICT DO NOTHING
"""

# Indexes: dispatches_other_idx, dispatches_pkey.
CLAIM: Final = """
WITH due AS (
    SELECT d.tenant_id, d.subject_id FROM dispatches d
    WHERE d.kind <> 'deliver' AND d.kind = 'sync_templates' AND d.due_at <= statement_timestamp()
    ORDER BY d.due_at LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE dispatches d SET due_at = clock_timestamp() + $1
FROM due
WHERE d.tenant_id = due.tenant_id AND d.subject_id = due.subject_id
RETURNING d.tenant_id, d.subject_id, d.created_at, statement_timestamp() AS now
"""

# Index: dispatches_pkey.
DONE: Final = """
UPDATE dispatches d
SET due_at = clock_timestamp() + CASE WHEN d.created_at = $3 THEN $4::interval ELSE interval '5 seconds' END,
    created_at = CASE WHEN d.created_at = $3 THEN clock_timestamp() + $4::interval ELSE d.created_at END
WHERE d.tenant_id = $1 AND d.subject_id = $2 AND d.kind = 'sync_templates'
"""
FORGET: Final = """
DELETE FROM dispatches d
WHERE d.tenant_id = $1 AND d.subject_id = $2 AND d.kind = 'sync_templates' AND d.created_at = $3
"""
FAILED: Final = """
UPDATE dispatches d SET due_at = clock_timestamp() + $3
WHERE d.tenant_id = $1 AND d.subject_id = $2 AND d.kind = 'sync_templates'
"""

# Indexes: dispatches_other_idx, templates_pkey, senders_account_key, dispatches_lane_idx, messages_pkey, events_pkey.
# A message is held if its last event says so. Message and dispatch are both locked, and rows that another transaction
# has locked are skipped: the dispatch of a claimed message must not be changed.
RELEASE: Final = """
WITH due AS (
    SELECT d.tenant_id, d.subject_id FROM dispatches d
    WHERE d.kind <> 'deliver' AND d.kind = 'release_held' AND d.due_at <= statement_timestamp()
    ORDER BY d.due_at LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
), held AS (
    SELECT waiting.tenant_id, waiting.subject_id
    FROM due
    JOIN templates t ON t.tenant_id = due.tenant_id AND t.id = due.subject_id
    JOIN senders s ON s.tenant_id = t.tenant_id AND s.account_id = t.account_id
    CROSS JOIN unnest($1::text[]) AS lane(priority)
    CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.subject_id FROM dispatches d
        WHERE d.kind = 'deliver' AND d.channel = s.channel AND d.priority = lane.priority
          AND d.tenant_id = s.tenant_id AND d.sender_id = s.id AND d.flow_id = t.id
          AND d.due_at > statement_timestamp()
        OFFSET 0
    ) waiting
    -- The inner limits keep these a look for each message.
    CROSS JOIN LATERAL (
        SELECT m.seq FROM messages m
        WHERE m.tenant_id = waiting.tenant_id AND m.id = waiting.subject_id AND m.state = 'queued'
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) m
    CROSS JOIN LATERAL (
        SELECT FROM events e
        WHERE e.tenant_id = waiting.tenant_id AND e.message_id = waiting.subject_id AND e.seq = m.seq
          AND e.type = 'attempt.released' AND e.detail ->> 'reason' IN ('template_paused', 'template_changed')
        LIMIT 1
    ) released
    CROSS JOIN LATERAL (
        SELECT FROM dispatches d
        WHERE d.tenant_id = waiting.tenant_id AND d.subject_id = waiting.subject_id
          AND d.kind = 'deliver' AND d.due_at > statement_timestamp()
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) untouched
    LIMIT $2
), released AS (
    UPDATE dispatches d SET due_at = statement_timestamp() FROM held
    WHERE d.tenant_id = held.tenant_id AND d.subject_id = held.subject_id AND d.kind = 'deliver'
    RETURNING 1
), over AS (
    DELETE FROM dispatches d USING due
    WHERE d.tenant_id = due.tenant_id AND d.subject_id = due.subject_id AND d.kind = 'release_held'
      AND (SELECT count(*) FROM held) < $2
)
SELECT (SELECT count(*)::int FROM due) AS due, (SELECT count(*)::int FROM released) AS released
"""

_PRIORITIES: Final = [priority.value for priority in Priority]


class PostgresTemplateRequests:
    """Bound to one open transaction, of a tenant or of the platform."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def read_anew(self, accounts: Collection[tuple[TenantId, AccountId]]) -> None:
        await self._ask(ASK_FOR_SYNC, accounts)

    async def release(self, templates: Collection[tuple[TenantId, TemplateId]]) -> None:
        await self._ask(ASK_FOR_RELEASE, templates)

    async def _ask(self, statement: str, subjects: Collection[tuple[UUID, UUID]]) -> None:
        if subjects:
            # Sorted, so that two transactions lock in the same order and cannot deadlock.
            await self._driver.execute(statement, *zip(*sorted(set(subjects)), strict=True))


class PostgresTemplateSyncs:
    """Bound to one open transaction of the `messaging_system` role."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def plan(self, every: timedelta) -> int:
        return int((await self._driver.execute(PLAN, every)).rpartition(" ")[2])

    async def claim(self, *, lease: timedelta) -> DueSync | None:
        row = await self._driver.fetchrow(CLAIM, lease)
        if row is None:
            return None
        return DueSync(
            tenant_id=TenantId(row["tenant_id"]),
            account_id=AccountId(row["subject_id"]),
            asked_at=row["created_at"],
            claimed_at=row["now"],
        )

    async def done(self, claimed: DueSync, *, next_after: timedelta | None) -> None:
        subject = (claimed.tenant_id, claimed.account_id, claimed.asked_at)
        if next_after is None:
            await self._driver.execute(FORGET, *subject)
        else:
            await self._driver.execute(DONE, *subject, next_after)

    async def failed(self, claimed: DueSync, *, again_after: timedelta) -> None:
        await self._driver.execute(FAILED, claimed.tenant_id, claimed.account_id, again_after)


class PostgresHeldMessages:
    """Bound to one open transaction of the `messaging_system` role."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def release_some(self, limit: int) -> int:
        row = await self._driver.fetchrow(RELEASE, _PRIORITIES, limit)
        return 0 if row is None else row["due"] + row["released"]
