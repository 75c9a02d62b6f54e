"""Messages that wait for a status from the provider, and the receipts that arrived for their senders meanwhile."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from asyncpg import Record

from messaging.adapters.postgres.messages.lifecycles import MessageStates
from messaging.adapters.postgres.messages.locks import LOCK_OTHERS
from messaging.adapters.postgres.schema.weeks import bounds, within
from messaging.adapters.postgres.session.transactions import Driver
from messaging.domain.messages.message_state import DispatchKind, MessageKey, MessageState
from messaging.domain.messages.transitions.negative_evidence import Evidence
from messaging.domain.shared.ids import AccountId, MessageId, SenderId, TenantId

# Indexes: messages_pkey, newest first and no further back than the attempt or than the limit; attempts_pkey and
# events_pkey of those; raw_webhooks_pkey since the first attempt; parked_receipts_provider_message_idx; and the
# configuration's primary keys. Later receipts of the sender are evidence that receipts arrive; only receipts that were
# posted as webhooks count. Ids are made by clocks that may differ from the database's by up to a minute. Under load
# some webhook is always being processed, so only those stored more than 5 s ago count as unread.
LATER_RECEIPTS: Final = """
SELECT w.sender_id, heard.later_receipts, heard.heard_until,
    EXISTS (
        SELECT FROM raw_webhooks r
        WHERE r.tenant_id = w.tenant_id AND r.id >= uuid_floor(w.first_start - interval '1 minute')
          AND r.account_id = w.account_id AND r.status <> 'processed'
          AND (r.status = 'set_aside' OR r.received_at < statement_timestamp() - interval '5 seconds')
    ) AS unread,
    EXISTS (
        SELECT FROM parked_receipts p WHERE p.account_id = w.account_id AND p.parked_at >= w.first_start
    ) AS unmatched,
    NOT EXISTS (
        SELECT FROM senders s JOIN provider_accounts c ON c.tenant_id = s.tenant_id AND c.id = s.account_id
        WHERE s.tenant_id = w.tenant_id AND s.id = w.sender_id AND s.status = 'active' AND c.status = 'active'
    ) AS paused
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
    AS w(tenant_id, account_id, sender_id, first_start, last_start)
CROSS JOIN LATERAL (
    SELECT count(*)::int AS later_receipts, max(found.heard_at) AS heard_until
    FROM (
        SELECT receipts.heard_at
        FROM (
            SELECT n.id, n.sender_id, n.state FROM messages n
            WHERE n.tenant_id = w.tenant_id AND n.id >= uuid_floor(w.last_start)
            ORDER BY n.id DESC LIMIT 10000
        ) newest
        CROSS JOIN LATERAL (
            SELECT max(e.occurred_at) AS heard_at FROM events e
            WHERE e.tenant_id = w.tenant_id AND e.message_id = newest.id
              AND e.type LIKE 'receipt.%' AND e.detail ->> 'source' IS DISTINCT FROM 'history'
        ) receipts
        WHERE newest.sender_id = w.sender_id AND newest.state IN ('sent', 'delivered', 'read')
          AND receipts.heard_at IS NOT NULL
          AND EXISTS (
            SELECT FROM attempts a
            WHERE a.tenant_id = w.tenant_id AND a.message_id = newest.id AND a.started_at > w.last_start
          )
        LIMIT $6
    ) found
) heard
"""

# The payloads of messages, of which there are a few. Index: contents_pkey.
SEALED: Final = f"""
SELECT c.tenant_id, c.message_id, c.sealed FROM contents c
WHERE c.tenant_id = ANY($1::uuid[]) AND c.message_id = ANY($2::uuid[]) AND {within(3, "c.message_id")}
"""


class PostgresAwaitedMessages:
    """Locks messages that wait for a status, in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver, states: MessageStates) -> None:
        self._driver = driver
        self._states = states

    async def lock_waits_over(self, limit: int) -> Sequence[MessageState]:
        return await self._states.read(await self._driver.fetch(LOCK_OTHERS, DispatchKind.RESOLVE_UNKNOWN, limit))

    async def lock_for_polling(self, limit: int) -> Sequence[MessageState]:
        return await self._states.read(await self._driver.fetch(LOCK_OTHERS, DispatchKind.POLL_STATUS, limit))

    async def sealed(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, bytes]:
        if not keys:
            return {}
        tenants, ids = {tenant for tenant, _ in keys}, [id for _, id in keys]
        rows = await self._driver.fetch(SEALED, tenants, ids, *bounds(ids))
        return {MessageKey(TenantId(row["tenant_id"]), MessageId(row["message_id"])): row["sealed"] for row in rows}

    async def later_receipts(self, waiting: Sequence[MessageState], *, enough: int) -> Mapping[SenderId, Evidence]:
        starts: dict[tuple[TenantId, AccountId, SenderId], list[datetime]] = defaultdict(list)
        for message in waiting:
            if message.attempt is not None and message.attempt.started_at is not None:
                sender = (message.key.tenant_id, message.account_id, message.sender_id)
                starts[sender].append(message.attempt.started_at)
        if not starts:
            return {}
        rows = [(*sender, min(times), max(times)) for sender, times in starts.items()]
        found = await self._driver.fetch(LATER_RECEIPTS, *zip(*rows, strict=True), enough)
        return {SenderId(row["sender_id"]): _evidence(row) for row in found}


def _evidence(row: Record) -> Evidence:
    return Evidence(
        later_receipts=row["later_receipts"],
        heard_until=row["heard_until"],
        unread=row["unread"],
        unmatched=row["unmatched"],
        paused=row["paused"],
    )
