"""Stores webhooks and hands them out until they are processed, in Postgres."""

from collections.abc import Sequence
from typing import Any, Final

from asyncpg import Record
from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.schema.weeks import bounds, within
from messaging.adapters.postgres.session.transactions import Driver, autocommit
from messaging.application import crashpoints
from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.domain.shared.ids import AccountId, TenantId, WebhookId

# Index: webhook_digests_pkey. Stores only webhooks whose digest was not stored before.
STORE: Final = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::bytea[], $7::bytea[])
        AS g(tenant_id, id, account_id, received_at, provider, digest, sealed)
), fresh AS (
    INSERT INTO webhook_digests (tenant_id, account_id, digest, received_at)
    SELECT tenant_id, account_id, digest, received_at FROM given
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, account_id, digest
), stored AS (
    INSERT INTO raw_webhooks (tenant_id, id, account_id, received_at, provider, status, digest, sealed)
    SELECT g.tenant_id, g.id, g.account_id, g.received_at, g.provider, 'stored', g.digest, g.sealed
    FROM given g JOIN fresh USING (tenant_id, account_id, digest)
    RETURNING tenant_id, id
)
INSERT INTO dispatches (tenant_id, subject_id, kind, due_at)
SELECT tenant_id, id, 'process_webhook', statement_timestamp() FROM stored
RETURNING subject_id
"""

# Index: dispatches_other_idx. The lock on the dispatch is the claim, and lasts as long as the transaction.
LOCK_DUE: Final = """
SELECT r.tenant_id, r.id, r.account_id, r.received_at, r.provider, r.digest, r.sealed
FROM dispatches d JOIN raw_webhooks r ON r.tenant_id = d.tenant_id AND r.id = d.subject_id
WHERE d.kind <> 'deliver' AND d.kind = 'process_webhook' AND d.due_at <= statement_timestamp()
ORDER BY d.due_at
LIMIT $1
FOR NO KEY UPDATE OF d SKIP LOCKED
"""

# Indexes: raw_webhooks_pkey, dispatches_pkey.
SETTLE: Final = f"""
WITH settled AS (
    UPDATE raw_webhooks r SET status = $5, problem = $6, processed_at = clock_timestamp()
    WHERE r.tenant_id = ANY($1::uuid[]) AND r.id = ANY($2::uuid[]) AND {within(3, "r.id")}
)
DELETE FROM dispatches d
WHERE d.tenant_id = ANY($1::uuid[]) AND d.subject_id = ANY($2::uuid[])
"""

# Indexes: raw_webhooks_aside_idx, raw_webhooks_pkey. The longest waiting come first, so that webhooks that are set
# aside again and again do not delay the others.
PUT_BACK: Final = """
WITH chosen AS (
    SELECT tenant_id, id FROM raw_webhooks
    WHERE problem IS NOT NULL ORDER BY processed_at LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
), due AS (
    UPDATE raw_webhooks r SET status = 'stored', problem = NULL, processed_at = NULL
    FROM chosen c WHERE r.tenant_id = c.tenant_id AND r.id = c.id
    RETURNING r.tenant_id, r.id
)
INSERT INTO dispatches (tenant_id, subject_id, kind, due_at)
SELECT tenant_id, id, 'process_webhook', statement_timestamp() FROM due
RETURNING subject_id
"""

# Indexes: provider_events_sender_unknown_idx, one lookup per sender; raw_webhooks_pkey. A webhook dropped since by
# retention cannot be read again: its event stays.
PUT_BACK_CONNECTED: Final = """
WITH chosen AS (
    SELECT e.tenant_id, e.id, e.webhook_id
    FROM senders s CROSS JOIN LATERAL (
        SELECT e.tenant_id, e.id, e.webhook_id FROM provider_events e
        WHERE e.tenant_id = s.tenant_id AND e.account_id = s.account_id AND e.sender_external_id = s.external_id
          AND e.kind = 'sender_unknown'
          AND EXISTS (SELECT FROM raw_webhooks r WHERE r.tenant_id = e.tenant_id AND r.id = e.webhook_id)
        LIMIT $1
    ) e LIMIT $1
), heard AS (
    DELETE FROM provider_events e USING chosen c WHERE e.tenant_id = c.tenant_id AND e.id = c.id
    RETURNING e.tenant_id, e.webhook_id
)
INSERT INTO dispatches (tenant_id, subject_id, kind, due_at)
SELECT DISTINCT tenant_id, webhook_id, 'process_webhook', statement_timestamp() FROM heard
ON CONFLICT (tenant_id, subject_id) DO NOTHING
RETURNING subject_id
"""


class PostgresWebhookStore:
    """Stores webhooks on the `system` engine; each call is one statement, which is a transaction of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def store_many(self, batch: Sequence[RawWebhook]) -> Sequence[bool]:
        """Store a batch; two webhooks of it with the same digest are stored once, under the id of the first."""
        first: dict[tuple[TenantId, AccountId, bytes], RawWebhook] = {}
        for webhook in batch:
            first.setdefault((webhook.tenant_id, webhook.account_id, webhook.digest), webhook)
        # Sorted, so that two batches lock in the same order and cannot deadlock.
        rows = [_raw_row(first[key]) for key in sorted(first)]
        if not rows:
            return []
        async with autocommit(self._engine) as driver:
            crashpoints.reach("webhook_store.before_commit")
            stored = {row["subject_id"] for row in await driver.fetch(STORE, *zip(*rows, strict=True))}
        crashpoints.reach("webhook_store.after_commit")
        return [webhook.id in stored for webhook in batch]


class PostgresRawWebhooks:
    """Stored webhooks, locked and settled in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def lock_due(self, limit: int) -> Sequence[RawWebhook]:
        return [_raw(row) for row in await self._driver.fetch(LOCK_DUE, limit)]

    async def processed(self, done: Sequence[RawWebhook]) -> None:
        await self._settle(done, "processed", None)

    async def set_aside(self, webhook: RawWebhook, *, problem: str) -> None:
        await self._settle([webhook], "set_aside", problem)

    async def put_back(self, limit: int) -> int:
        return len(await self._driver.fetch(PUT_BACK, limit))

    async def put_back_connected(self, limit: int) -> int:
        return len(await self._driver.fetch(PUT_BACK_CONNECTED, limit))

    async def _settle(self, raw_webhooks: Sequence[RawWebhook], status: str, problem: str | None) -> None:
        if raw_webhooks:
            ids = [webhook.id for webhook in raw_webhooks]
            tenants = {webhook.tenant_id for webhook in raw_webhooks}
            await self._driver.execute(SETTLE, tenants, ids, *bounds(ids), status, problem)


def _raw_row(webhook: RawWebhook) -> tuple[Any, ...]:
    return (
        webhook.tenant_id,
        webhook.id,
        webhook.account_id,
        webhook.received_at,
        webhook.provider,
        webhook.digest,
        webhook.sealed,
    )


def _raw(row: Record) -> RawWebhook:
    return RawWebhook(
        id=WebhookId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        account_id=AccountId(row["account_id"]),
        provider=row["provider"],
        digest=row["digest"],
        sealed=row["sealed"],
        received_at=row["received_at"],
    )
