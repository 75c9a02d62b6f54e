"""Inbound messages of people, and the time of each person's latest one per sender, in Postgres."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

from messaging.adapters.postgres.conversations.contact_aliases import same_person
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.conversations import InboundRow, NewInbound
from messaging.domain.shared.ids import AccountId, InboundId, SenderId, TenantId
from messaging.domain.shared.mode import TenantScope

# Index: inbound_messages_provider_key. Returns the messages that were not stored before.
ADD_INBOUND: Final = """
INSERT INTO inbound_messages (tenant_id, id, account_id, sender_id, provider_message_id, kind, sealed, occurred_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bytea[],
                     $8::timestamptz[])
ON CONFLICT DO NOTHING
RETURNING id
"""

# Index: service_windows_pkey. Inbound messages may arrive late or out of order, so only a later time replaces the
# stored one.
OPEN_WINDOWS: Final = """
INSERT INTO service_windows AS w (tenant_id, sender_id, contact_index, last_inbound_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::timestamptz[])
ON CONFLICT (tenant_id, sender_id, contact_index) DO UPDATE
SET last_inbound_at = excluded.last_inbound_at WHERE w.last_inbound_at < excluded.last_inbound_at
"""

# Indexes: service_windows_pkey, senders_pkey, and those of `same_person`. A contact may have written from another of
# their addresses, so all of them are looked up.
LAST_INBOUND: Final = f"""
SELECT k.sender_id, k.contact_index, max(w.last_inbound_at) AS last_inbound_at
FROM unnest($2::uuid[], $3::bytea[]) AS k(sender_id, contact_index)
JOIN senders s ON s.tenant_id = $1 AND s.id = k.sender_id
CROSS JOIN LATERAL ({same_person("$1", "s.mode", "k.contact_index")}) AS same
JOIN service_windows w ON w.tenant_id = $1 AND w.sender_id = k.sender_id AND w.contact_index = same.index
GROUP BY k.sender_id, k.contact_index
"""

# Index: inbound_messages_sender_idx, backwards. An inbound message has the mode of its sender, and a tenant has few
# senders: so the query takes each sender's newest messages, and then the newest of these. A search through the messages
# of both modes could read all of them to fill a page of the rarer mode.
PAGE: Final = """
SELECT i.id, i.account_id, i.sender_id, i.kind, i.sealed, i.occurred_at, i.received_at
FROM senders s CROSS JOIN LATERAL (
    SELECT i.id, i.account_id, i.sender_id, i.kind, i.sealed, i.occurred_at, i.received_at
    FROM inbound_messages i
    WHERE i.tenant_id = $1 AND i.sender_id = s.id
      AND i.id < COALESCE($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
    ORDER BY i.id DESC
    LIMIT $3
) i
WHERE s.tenant_id = $1 AND s.mode = $4
ORDER BY i.id DESC
LIMIT $3
"""


class PostgresConversations:
    """Inbound messages, read and written in one open transaction.

    `page` needs the tenant and mode of a tenant's unit of work.
    """

    def __init__(self, driver: Driver, scope: TenantScope | None = None) -> None:
        self._driver = driver
        self._scope = scope

    async def add_inbound(self, messages: Sequence[NewInbound]) -> AbstractSet[InboundId]:
        if not messages:
            return frozenset()
        # Sorted, so that two batches lock in the same order and cannot deadlock.
        ordered = sorted(messages, key=lambda new: (new.tenant_id, new.sender_id, new.provider_message_id))
        rows = [
            (
                new.tenant_id,
                new.id,
                new.account_id,
                new.sender_id,
                new.provider_message_id,
                new.kind,
                new.sealed,
                new.occurred_at,
            )
            for new in ordered
        ]
        added = {InboundId(row["id"]) for row in await self._driver.fetch(ADD_INBOUND, *zip(*rows, strict=True))}
        await self._open_windows([new for new in ordered if new.id in added and new.opens_window])
        return added

    async def _open_windows(self, messages: Sequence[NewInbound]) -> None:
        newest: dict[tuple[TenantId, SenderId, bytes], datetime] = {}
        for new in messages:
            for index in new.contact_indexes:
                window = (new.tenant_id, new.sender_id, index)
                newest[window] = max(newest.get(window, new.occurred_at), new.occurred_at)
        if newest:
            rows = [(*window, at) for window, at in sorted(newest.items())]
            await self._driver.execute(OPEN_WINDOWS, *zip(*rows, strict=True))

    async def last_inbound(
        self, tenant_id: TenantId, contacts: Sequence[tuple[SenderId, bytes]]
    ) -> Mapping[tuple[SenderId, bytes], datetime]:
        senders, indexes = [sender for sender, _ in contacts], [index for _, index in contacts]
        return {
            (SenderId(row["sender_id"]), row["contact_index"]): row["last_inbound_at"]
            for row in await self._driver.fetch(LAST_INBOUND, tenant_id, senders, indexes)
        }

    async def page(self, *, before: InboundId | None, limit: int) -> Sequence[InboundRow]:
        if self._scope is None:
            raise RuntimeError("page needs a tenant's unit of work")
        return [
            InboundRow(
                id=InboundId(row["id"]),
                account_id=AccountId(row["account_id"]),
                sender_id=SenderId(row["sender_id"]),
                kind=row["kind"],
                sealed=row["sealed"],
                occurred_at=row["occurred_at"],
                received_at=row["received_at"],
            )
            for row in await self._driver.fetch(PAGE, self._scope.tenant_id, before, limit, self._scope.mode)
        ]
