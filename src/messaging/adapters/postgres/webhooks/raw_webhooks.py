"""Stored webhooks until they are processed, and receipts parked until their message is known, in Postgres."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from asyncpg import Record
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.session.bounds import bounds, within
from messaging.adapters.postgres.session.transactions import Driver, autocommit
from messaging.application import crashpoints
from messaging.application.ports.raw_webhooks import ParkedReceipt, RawWebhook
from messaging.domain.messages.receipts import Receipt
from messaging.domain.shared.ids import AccountId, TenantId, WebhookId

# Index: callback_digests_pkey. Only bytes not seen before are stored.
STORE: Final = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::bytea[], $7::bytea[])
        AS g(tenant_id, id, account_id, received_at, provider, digest, sealed)
), fresh AS (
    INSERT INTO callback_digests (tenant_id, account_id, digest, received_at)
    SELECT tenant_id, account_id, digest, received_at FROM given
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, account_id, digest
), stored AS (
    INSERT INTO raw_callbacks (tenant_id, id, account_id, received_at, provider, status, digest, sealed)
    SELECT g.tenant_id, g.id, g.account_id, g.received_at, g.provider, 'stored', g.digest, g.sealed
    FROM given g JOIN fresh USING (tenant_id, account_id, digest)
    RETURNING tenant_id, id
)
INSERT INTO dispatches (tenant_id, subject_id, kind, due_at)
SELECT tenant_id, id, 'process_callback', statement_timestamp() FROM stored
RETURNING subject_id
"""

# Index: dispatches_other_idx. The lock on the dispatch is the claim: it lasts as long as the transaction.
LOCK_DUE: Final = """
SELECT r.tenant_id, r.id, r.account_id, r.received_at, r.provider, r.digest, r.sealed
FROM dispatches d JOIN raw_callbacks r ON r.tenant_id = d.tenant_id AND r.id = d.subject_id
WHERE d.kind <> 'deliver' AND d.kind = 'process_callback' AND d.due_at <= statement_timestamp()
ORDER BY d.due_at
LIMIT $1
FOR NO KEY UPDATE OF d SKIP LOCKED
"""

# Indexes: raw_callbacks_pkey, dispatches_pkey.
SETTLE: Final = f"""
WITH settled AS (
    UPDATE raw_callbacks r SET status = $5, problem = $6, processed_at = clock_timestamp()
    WHERE r.tenant_id = ANY($1::uuid[]) AND r.id = ANY($2::uuid[]) AND {within(3, "r.id")}
)
DELETE FROM dispatches d
WHERE d.tenant_id = ANY($1::uuid[]) AND d.subject_id = ANY($2::uuid[])
"""

# Indexes: raw_callbacks_aside_idx, raw_callbacks_pkey. Those that have waited longest come first: some that are set
# aside again and again must not keep the others waiting.
PUT_BACK: Final = """
WITH chosen AS (
    SELECT tenant_id, id FROM raw_callbacks
    WHERE problem IS NOT NULL ORDER BY processed_at LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
), due AS (
    UPDATE raw_callbacks r SET status = 'stored', problem = NULL, processed_at = NULL
    FROM chosen c WHERE r.tenant_id = c.tenant_id AND r.id = c.id
    RETURNING r.tenant_id, r.id
)
INSERT INTO dispatches (tenant_id, subject_id, kind, due_at)
SELECT tenant_id, id, 'process_callback', statement_timestamp() FROM due
RETURNING subject_id
"""

# Indexes: provider_events_sender_unknown_idx, a look for each sender; raw_callbacks_pkey. What was dropped already
# cannot be read again: its event stays.
PUT_BACK_CONNECTED: Final = """
WITH chosen AS (
    SELECT e.tenant_id, e.id, e.webhook_id
    FROM senders s CROSS JOIN LATERAL (
        SELECT e.tenant_id, e.id, e.webhook_id FROM provider_events e
        WHERE e.tenant_id = s.tenant_id AND e.account_id = s.account_id AND e.sender_external_id = s.external_id
          AND e.kind = 'sender_unknown'
          AND EXISTS (SELECT FROM raw_callbacks r WHERE r.tenant_id = e.tenant_id AND r.id = e.webhook_id)
        LIMIT $1
    ) e LIMIT $1
), heard AS (
    DELETE FROM provider_events e USING chosen c WHERE e.tenant_id = c.tenant_id AND e.id = c.id
    RETURNING e.tenant_id, e.webhook_id
)
INSERT INTO dispatches (tenant_id, subject_id, kind, due_at)
SELECT DISTINCT tenant_id, webhook_id, 'process_callback', statement_timestamp() FROM heard
ON CONFLICT (tenant_id, subject_id) DO NOTHING
RETURNING subject_id
"""

# Index: parked_receipts_pkey. Most of the early ones overtook our commit by milliseconds: look again soon.
PARK: Final = """
INSERT INTO parked_receipts
    (tenant_id, account_id, provider_message_id, digest, receipt, parked_at, tries, next_look_at)
SELECT g.*, clock_timestamp() + interval '10 seconds'
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bytea[], $6::timestamptz[], $7::int[]) AS g
ON CONFLICT DO NOTHING
"""

_PARKED: Final = "p.tenant_id, p.account_id, p.receipt, p.parked_at, p.tries, p.digest"

# Index: parked_receipts_provider_message_idx.
LOCK_PARKED: Final = f"""
SELECT {_PARKED}
FROM parked_receipts p JOIN unnest($1::uuid[], $2::text[]) AS k(account_id, provider_message_id)
    ON p.account_id = k.account_id AND p.provider_message_id = k.provider_message_id
ORDER BY p.tenant_id, p.account_id, p.provider_message_id, p.digest
FOR UPDATE OF p
"""

# Index: parked_receipts_next_look_idx.
LOCK_PARKED_DUE: Final = f"""
SELECT {_PARKED}
FROM parked_receipts p
WHERE p.next_look_at <= statement_timestamp()
ORDER BY p.next_look_at
LIMIT $1
FOR UPDATE SKIP LOCKED
"""

UNPARK: Final = """
DELETE FROM parked_receipts p
USING unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[]) AS k(tenant_id, account_id, provider_message_id, digest)
WHERE p.tenant_id = k.tenant_id AND p.account_id = k.account_id
  AND p.provider_message_id = k.provider_message_id AND p.digest = k.digest
"""

PARK_AGAIN: Final = """
UPDATE parked_receipts p SET tries = p.tries + 1, next_look_at = k.next_look_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::timestamptz[])
    AS k(tenant_id, account_id, provider_message_id, digest, next_look_at)
WHERE p.tenant_id = k.tenant_id AND p.account_id = k.account_id
  AND p.provider_message_id = k.provider_message_id AND p.digest = k.digest
"""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Receipt] = msgspec.msgpack.Decoder(Receipt)


class PostgresWebhookStore:
    """One whole transaction a call, and that one statement, on the `system` engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def store_many(self, batch: Sequence[RawWebhook]) -> Sequence[bool]:
        """The same digest twice in one batch is stored once, under the first one's id."""
        first: dict[tuple[TenantId, AccountId, bytes], RawWebhook] = {}
        for webhook in batch:
            first.setdefault((webhook.tenant_id, webhook.account_id, webhook.digest), webhook)
        # One order for everybody, so that two batches cannot wait for each other.
        rows = [_raw_row(first[key]) for key in sorted(first)]
        if not rows:
            return []
        async with autocommit(self._engine) as driver:
            crashpoints.reach("webhook_store.before_commit")
            stored = {row["subject_id"] for row in await driver.fetch(STORE, *zip(*rows, strict=True))}
        crashpoints.reach("webhook_store.after_commit")
        return [webhook.id in stored for webhook in batch]


class PostgresRawWebhooks:
    """Bound to one open transaction of the `messaging_system` role."""

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

    async def park(self, parked: Sequence[ParkedReceipt]) -> None:
        if parked:
            rows = sorted((*_place(item), _bare(item.receipt), item.parked_at, item.tries) for item in parked)
            await self._driver.execute(PARK, *zip(*rows, strict=True))

    async def lock_parked(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Sequence[ParkedReceipt]:
        accounts, texts = [account for account, _ in provider_ids], [text for _, text in provider_ids]
        return [_parked(row) for row in await self._driver.fetch(LOCK_PARKED, accounts, texts)]

    async def lock_parked_due(self, limit: int) -> Sequence[ParkedReceipt]:
        return [_parked(row) for row in await self._driver.fetch(LOCK_PARKED_DUE, limit)]

    async def unpark(self, matched: Sequence[ParkedReceipt]) -> None:
        if matched:
            await self._driver.execute(UNPARK, *zip(*map(_place, matched), strict=True))

    async def park_again(self, unmatched: Sequence[tuple[ParkedReceipt, datetime | None]]) -> None:
        await self.unpark([parked for parked, at in unmatched if at is None])
        if rows := [(*_place(parked), at) for parked, at in unmatched if at is not None]:
            await self._driver.execute(PARK_AGAIN, *zip(*rows, strict=True))


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


def _parked(row: Record) -> ParkedReceipt:
    return ParkedReceipt(
        tenant_id=TenantId(row["tenant_id"]),
        account_id=AccountId(row["account_id"]),
        receipt=_decoder.decode(row["receipt"]),
        parked_at=row["parked_at"],
        tries=row["tries"],
        digest=row["digest"],
    )


def _place(parked: ParkedReceipt) -> tuple[Any, ...]:
    """A parked receipt's primary key: repeats of the same receipt have the same.

    One that is kept already goes by the digest it was kept under: another version may have made it.
    """
    told = replace(parked.receipt, recipient_ids=(), participant_id=None, sealed_recipient=None)
    digest = parked.digest or hashlib.sha256(_encoder.encode(told)).digest()
    return parked.tenant_id, parked.account_id, parked.receipt.provider_message_id, digest


def _bare(receipt: Receipt) -> bytes:
    """Without the provider's spellings of people but sealed ones: no number lies about unsealed."""
    return _encoder.encode(replace(receipt, recipient_ids=(), participant_id=None))
