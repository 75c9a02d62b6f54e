"""Reads what the fan-out needs of the subjects of events, and the endpoints that may want them."""

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from asyncpg import Record

from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.schema.tables import callback_endpoints
from messaging.adapters.postgres.session.transactions import Transaction
from messaging.application.ports.callbacks.fan_out import MessageFacts, TimelineKey
from messaging.domain.callbacks.endpoint import CallbackEndpoint, EndpointStatus
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, InboundId, MessageId, SenderId, TenantId

# Bytes of an encrypted payload that is read along with its message; files of mails make one far larger.
_SMALL: Final = 16_384

# Indexes: events_pkey, messages_pkey, provider_accounts_pkey, contents_pkey, attempts_pkey. Each key is looked up by
# itself, which opens only the partitions of its week.
TIMELINE: Final = """
SELECT k.message_id, k.seq, e.state, e.detail, e.recorded_at, e.occurred_at, m.*,
       (SELECT p.provider FROM provider_accounts p WHERE p.tenant_id = $1 AND p.id = m.account_id) AS provider,
       (SELECT CASE WHEN octet_length(c.sealed) <= $4 THEN c.sealed END FROM contents c
        WHERE c.tenant_id = $1 AND c.message_id = k.message_id) AS sealed,
       (SELECT a.provider_message_id FROM attempts a
        WHERE a.tenant_id = $1 AND a.message_id = k.message_id
          AND a.epoch = (e.detail ->> 'attempt')::int) AS provider_message_id
FROM unnest($2::uuid[], $3::int[]) AS k(message_id, seq)
CROSS JOIN LATERAL (
    SELECT e.state, e.detail, e.recorded_at, e.occurred_at FROM events e
    WHERE e.tenant_id = $1 AND e.message_id = k.message_id AND e.seq = k.seq
) e
CROSS JOIN LATERAL (
    SELECT m.channel, m.category, m.account_id, m.sender_id, m.reference, m.possible_duplicate, m.trace_id
    FROM messages m WHERE m.tenant_id = $1 AND m.id = k.message_id
) m
"""

# Index: contents_pkey.
PAYLOAD: Final = "SELECT c.sealed FROM contents c WHERE c.tenant_id = $1 AND c.message_id = $2"

# Index: inbound_messages_pkey.
INBOUND: Final = "SELECT i.id, i.sealed FROM inbound_messages i WHERE i.tenant_id = $1 AND i.id = ANY($2::uuid[])"


class PostgresSubjects:
    """Messages, inbound messages and endpoints of tenants, in one open transaction of the platform."""

    def __init__(self, opened: Transaction) -> None:
        self._opened = opened
        self._driver = opened.driver

    async def timeline(self, tenant_id: TenantId, keys: Sequence[TimelineKey]) -> Mapping[TimelineKey, MessageFacts]:
        if not keys:
            return {}
        ids, numbers = [key.message_id for key in keys], [key.sequence for key in keys]
        found = await self._driver.fetch(TIMELINE, tenant_id, ids, numbers, _SMALL)
        return {TimelineKey(MessageId(row["message_id"]), row["seq"]): _facts(row) for row in found}

    async def payload(self, tenant_id: TenantId, id: MessageId) -> bytes | None:
        found: bytes | None = await self._driver.fetchval(PAYLOAD, tenant_id, id)
        return found

    async def inbound(self, tenant_id: TenantId, ids: Sequence[InboundId]) -> Mapping[InboundId, bytes]:
        return {InboundId(row["id"]): row["sealed"] for row in await self._driver.fetch(INBOUND, tenant_id, ids)}

    async def endpoints(self, tenant_id: TenantId) -> Sequence[CallbackEndpoint]:
        e = callback_endpoints.c
        wanted = sa.select(callback_endpoints).where(e.tenant_id == tenant_id, e.status != EndpointStatus.DELETED)
        return [rows.to_endpoint(row) for row in await self._opened.core.execute(wanted.order_by(e.id))]


def _facts(row: Record) -> MessageFacts:
    return MessageFacts(
        state=State(row["state"]),
        detail=row["detail"],
        recorded_at=row["recorded_at"],
        occurred_at=row["occurred_at"],
        channel=row["channel"],
        category=row["category"],
        account_id=AccountId(row["account_id"]),
        sender_id=SenderId(row["sender_id"]),
        provider=row["provider"],
        provider_message_id=row["provider_message_id"],
        reference=row["reference"],
        possible_duplicate=row["possible_duplicate"],
        trace_id=row["trace_id"],
        sealed=row["sealed"],
    )
