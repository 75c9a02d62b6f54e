"""Six tenants with some days of messages, all tables analyzed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg

from messaging.adapters.postgres.session.engine import Engines, create_engines
from tests.integration.postgres.adding_weeks import OF_MESSAGES, add_week
from tests.integration.postgres.plans.lanes import POPULATE_LANES

# A week whose tables are as they are made: never analyzed.
NEW_WEEK_AT = datetime(2098, 12, 31, tzinfo=UTC)


# Six tenants with 10 000 messages each, of the last seven days.
POPULATE = """
INSERT INTO tenants SELECT uuid_tail(n), 't' || n, 'active', now() FROM generate_series(1, 6) n;
INSERT INTO provider_accounts SELECT uuid_tail(n), uuid_tail(n), 'whatsapp_cloud', 'live', 'a', 'e', '', 't' || n,
    'active', now() FROM generate_series(1, 6) n;
INSERT INTO senders SELECT uuid_tail(n), uuid_tail(n), uuid_tail(n), 'whatsapp', 'live', 'e', '+1', 's', 'active',
    now(), 80, 0 FROM generate_series(1, 6) n;
CREATE TABLE seeds AS
SELECT uuid_tail(n % 6 + 1) AS tenant_id, id_of(now() - n * interval '10 seconds', n) AS id, n,
       CASE WHEN n % 5 = 0 THEN 'failed' WHEN n % 20 = 1 THEN 'queued' ELSE 'read' END AS state,
       now() - n * interval '10 seconds' AS created_at
FROM generate_series(1, 60000) n;
INSERT INTO messages (tenant_id, id, account_id, sender_id, created_at, updated_at, seq, epoch, attempts, checks,
    claim_failures, possible_duplicate, state, mode, channel, category, priority, on_unknown, policy, recipient_index,
    recipient_hint, summary, template_name, reference)
SELECT tenant_id, id, tenant_id, tenant_id, created_at, created_at, 3, CASE state WHEN 'queued' THEN 0 ELSE 1 END, 1,
    0, 0, false, state, 'live', 'whatsapp', 'utility', 'default', 'hold', 'durable',
    sha256((n % 3000)::text::bytea), 'hint', 'text', 'template_' || n % 100, 'order-' || n FROM seeds;
INSERT INTO contents SELECT tenant_id, id, repeat('x', 400)::bytea FROM seeds;
INSERT INTO attempts (tenant_id, message_id, account_id, epoch, lease_until, possible_duplicate, phase, outcome,
    lease_owner, provider_message_id)
SELECT tenant_id, id, tenant_id, 1, created_at, false, 'closed', 'accepted', 'w', 'wamid.' || n FROM seeds
WHERE state <> 'queued';
INSERT INTO events (tenant_id, message_id, seq, type, state, detail)
SELECT tenant_id, id, seq, 'x', CASE seq WHEN 3 THEN state ELSE 'queued' END, '{}'
FROM seeds, generate_series(1, 3) seq;
INSERT INTO dispatches (tenant_id, subject_id, sender_id, due_at, kind, channel, priority)
SELECT tenant_id, id, tenant_id, created_at, 'deliver', 'whatsapp', 'default' FROM seeds WHERE state = 'queued';
INSERT INTO dispatches (tenant_id, subject_id, sender_id, due_at, kind, channel, priority)
SELECT tenant_id, id, tenant_id, created_at, 'resolve_unknown', 'whatsapp', 'default' FROM seeds WHERE n % 50 = 2;
INSERT INTO dispatches (tenant_id, subject_id, due_at, kind)
SELECT tenant_id, id, created_at, 'process_webhook' FROM seeds WHERE n % 50 = 4;
INSERT INTO raw_webhooks SELECT tenant_id, id, tenant_id, created_at, NULL, 'whatsapp_cloud', 'stored', NULL,
    sha256(n::text::bytea), 'sealed' FROM seeds WHERE n % 5 = 4;
INSERT INTO webhook_digests SELECT tenant_id, tenant_id, created_at, sha256(n::text::bytea) FROM seeds WHERE n % 5 = 4;
INSERT INTO parked_receipts SELECT tenant_id, tenant_id, created_at, created_at, 0, 'wamid.' || n,
    sha256(n::text::bytea), 'receipt' FROM seeds WHERE n % 10 = 0;
INSERT INTO inbound_messages (tenant_id, id, account_id, sender_id, occurred_at, provider_message_id, kind, sealed)
SELECT tenant_id, id, tenant_id, tenant_id, created_at, 'wamid.in.' || n, 'text', 'sealed' FROM seeds WHERE n % 5 = 0;
INSERT INTO provider_events SELECT tenant_id, id, tenant_id, id, created_at, created_at, 6, 'live',
    CASE n % 2 WHEN 0 THEN 'sender_unknown' ELSE 'kind_' || n % 10 END, 'e' || n, sha256(n::text::bytea), 'sealed'
    FROM seeds WHERE n % 5 = 4;
INSERT INTO service_windows SELECT tenant_id, tenant_id, created_at, sha256(n::text::bytea) FROM seeds WHERE n % 5 = 0;
INSERT INTO dead_letters SELECT tenant_id, id, created_at, NULL, 'code', 'reason' FROM seeds WHERE n % 10 = 3;
INSERT INTO jobs (tenant_id, id, due_at, wanted_at, died_at, mode, kind, lane, order_key, unique_key, payload,
    unfinished, status)
SELECT tenant_id, id, created_at, created_at, CASE n % 4 WHEN 3 THEN created_at END, 'live', 'release_held',
    CASE n % 2 WHEN 0 THEN 'prompt' ELSE 'bulk' END, CASE n % 4 WHEN 0 THEN 'key-' || n % 1000 END, 'unique-' || n,
    '{}', CASE n % 400 WHEN 2 THEN 3 ELSE 0 END, ('{blocked,waiting,claimed,dead}'::text[])[n % 4 + 1] FROM seeds;
INSERT INTO idempotency_keys (scope, key, fingerprint, status, body, expires_at)
SELECT tenant_id, 'key-' || n, 'f', 202, '', created_at + interval '7 days' FROM seeds;
INSERT INTO pending_events (tenant_id, subject_id, sequence, mode, subject_kind, type)
SELECT tenant_id, id, 3, 'live', 'message', 'message.read' FROM seeds WHERE n % 5 = 1;
INSERT INTO callback_events (tenant_id, id, subject_id, sequence, occurred_at, mode, subject_kind, type, body_encrypted,
    body_sha256)
SELECT tenant_id, id, id, 3, created_at, CASE n % 2 WHEN 0 THEN 'live' ELSE 'test' END, 'message',
    'message.' || state, 'sealed', sha256(n::text::bytea) FROM seeds;
INSERT INTO callback_attempts (tenant_id, id, endpoint_id, event_id, started_at, n, url_host)
SELECT tenant_id, id, tenant_id, id, created_at, 1, 'hooks.example' FROM seeds;
DELETE FROM config_versions;
INSERT INTO config_versions SELECT uuid_tail(n), 1, now(), n FROM generate_series(1, 20000) n;
"""
FUNCTIONS = (
    "CREATE FUNCTION uuid_tail(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE"
    " AS $$ SELECT lpad(to_hex(n), 32, '0')::uuid $$",
    "CREATE FUNCTION id_of(at timestamptz, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE"
    " AS $$ SELECT (left(uuid_floor(at)::text, 18) || '-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$",
)


@asynccontextmanager
async def populated_with(messages: int, database: str) -> AsyncIterator[Engines]:
    """The pools as the processes have them, over analyzed tables; the partitions of the coming weeks are empty."""
    owner = await asyncpg.connect(database)
    for statement in (*FUNCTIONS, _so_many(messages), POPULATE_LANES, "VACUUM ANALYZE"):
        await owner.execute(statement, timeout=300)
    for table in OF_MESSAGES:
        await add_week(owner, table, NEW_WEEK_AT)
    await owner.close()
    engines = create_engines(database)
    yield engines
    await engines.dispose()


def _so_many(messages: int) -> str:
    return POPULATE.replace("generate_series(1, 60000)", f"generate_series(1, {messages})")
