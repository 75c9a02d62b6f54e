"""Accounts whose templates are to be listed, and messages that are held because of their template."""

from collections.abc import Collection, Sequence
from typing import Final

from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.templates import ReviewedAccount
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode

CARRY_OVER: Final = "SELECT carry_template_work()"

# Indexes: provider_accounts_pkey, jobs_unique_key.
UNSCHEDULED: Final = """
SELECT a.tenant_id, a.mode, a.id FROM provider_accounts a
WHERE a.status = 'active' AND a.provider = ANY($1::text[]) AND NOT EXISTS (
    SELECT FROM jobs j
    WHERE j.tenant_id = a.tenant_id AND j.mode = a.mode AND j.kind = 'sync_templates' AND j.unique_key = a.id::text
      AND j.status <> 'dead'
    OFFSET 0
)
"""

# Indexes: templates_pkey, senders_account_key, dispatches_lane_idx, messages_pkey, events_pkey.
# A message is held if its last event says so. Message and dispatch are both locked, and rows that another transaction
# has locked are skipped: the dispatch of a claimed message must not be changed.
RELEASE: Final = """
WITH held AS (
    SELECT waiting.tenant_id, waiting.subject_id
    FROM templates t
    JOIN senders s ON s.tenant_id = t.tenant_id AND s.account_id = t.account_id
    CROSS JOIN unnest($3::text[]) AS lane(priority)
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
    WHERE t.tenant_id = $1 AND t.id = $2
    LIMIT $4
)
UPDATE dispatches d SET due_at = statement_timestamp() FROM held
WHERE d.tenant_id = held.tenant_id AND d.subject_id = held.subject_id AND d.kind = 'deliver'
"""

_PRIORITIES: Final = [priority.value for priority in Priority]


class PostgresSyncSchedule:
    """The schedule of template listings, read and written in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def carry_over(self) -> int:
        return int(await self._driver.fetchval(CARRY_OVER))

    async def unscheduled(self, providers: Collection[str]) -> Sequence[ReviewedAccount]:
        return [
            ReviewedAccount(
                tenant_id=TenantId(row["tenant_id"]), mode=Mode(row["mode"]), account_id=AccountId(row["id"])
            )
            for row in await self._driver.fetch(UNSCHEDULED, list(providers))
        ]


class PostgresHeldMessages:
    """Messages held for their template, in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def release_some(self, tenant_id: TenantId, template_id: TemplateId, limit: int) -> int:
        return int((await self._driver.execute(RELEASE, tenant_id, template_id, _PRIORITIES, limit)).split()[-1])
