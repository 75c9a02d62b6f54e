"""Stores and reads events of providers that the platform does not interpret yet, in Postgres."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final
from uuid import UUID

from asyncpg import Record

from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.provider_events import NewProviderEvent, ProviderEventFilter, ProviderEventRow
from messaging.domain.shared.ids import AccountId, EventId, WebhookId
from messaging.domain.shared.mode import TenantScope

# Indexes: provider_accounts_id_key, provider_events_told_key. Returns the events that were not stored before.
ADD: Final = """
INSERT INTO provider_events (tenant_id, id, account_id, webhook_id, occurred_at, received_at, size, mode, kind,
                             sender_external_id, digest, sealed)
SELECT g.tenant_id, g.id, g.account_id, g.webhook_id, g.occurred_at, g.received_at, g.size,
       (SELECT a.mode FROM provider_accounts a WHERE a.tenant_id = g.tenant_id AND a.id = g.account_id),
       g.kind, g.sender_external_id, g.digest, g.sealed
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], $7::int[],
            $8::text[], $9::text[], $10::bytea[], $11::bytea[])
    AS g(tenant_id, id, account_id, webhook_id, occurred_at, received_at, size, kind, sender_external_id, digest,
         sealed)
ON CONFLICT (tenant_id, account_id, digest) DO NOTHING
RETURNING id
"""

_COLUMNS: Final = "e.id, e.account_id, e.webhook_id, e.kind, e.sender_external_id, e.occurred_at, e.received_at, e.size"

# Index: provider_events_pkey.
ONE: Final = f"""
SELECT {_COLUMNS}, e.sealed FROM provider_events e WHERE e.tenant_id = $1 AND e.mode = $2 AND e.id = $3
"""

_LAST: Final = UUID(int=2**128 - 1)


class PostgresProviderEvents:
    """Provider events, read and written in one open transaction.

    `page` and `one` need the scope of a tenant's unit of work.
    """

    def __init__(self, driver: Driver, scope: TenantScope | None = None) -> None:
        self._driver = driver
        self._scope = scope

    async def add(self, events: Sequence[NewProviderEvent]) -> AbstractSet[EventId]:
        if not events:
            return frozenset()
        # Sorted, so that two batches lock in the same order and cannot deadlock.
        ordered = sorted(events, key=lambda event: (event.tenant_id, event.account_id, event.digest))
        rows = await self._driver.fetch(ADD, *zip(*map(_columns, ordered), strict=True))
        return {EventId(row["id"]) for row in rows}

    async def page(
        self, wanted: ProviderEventFilter, *, before: EventId | None, limit: int, largest: int
    ) -> Sequence[ProviderEventRow]:
        query = page_query(self._own_scope(), wanted, before=before, limit=limit, largest=largest)
        return [_row(row) for row in await self._driver.fetch(*query)]

    async def one(self, id: EventId) -> ProviderEventRow | None:
        row = await self._driver.fetchrow(ONE, *self._own_scope(), id)
        return None if row is None else _row(row)

    def _own_scope(self) -> TenantScope:
        if self._scope is None:
            raise RuntimeError("page and one need a tenant's unit of work")
        return self._scope


def page_query(
    scope: TenantScope, wanted: ProviderEventFilter, *, before: EventId | None, limit: int, largest: int
) -> tuple[Any, ...]:
    """Indexes, depending on the filter: provider_events_pkey, _kind_idx, _account_idx; backwards from the cursor."""
    conditions = ["e.tenant_id = $1", "e.mode = $2", "e.id < $3"]
    arguments: list[object] = [*scope, before or _LAST, limit, largest]
    for column, value in (("account_id", wanted.account_id), ("kind", wanted.kind)):
        if value is not None:
            arguments.append(value)
            conditions.append(f"e.{column} = ${len(arguments)}")
    statement = f"""
        SELECT {_COLUMNS}, CASE WHEN e.size <= $5 THEN e.sealed END AS sealed
        FROM provider_events e WHERE {" AND ".join(conditions)}
        ORDER BY e.id DESC LIMIT $4"""
    return statement, *arguments


def _columns(event: NewProviderEvent) -> tuple[Any, ...]:
    return (
        event.tenant_id,
        event.id,
        event.account_id,
        event.webhook_id,
        event.occurred_at,
        event.received_at,
        event.size,
        event.kind,
        event.sender_external_id,
        event.digest,
        event.sealed,
    )


def _row(row: Record) -> ProviderEventRow:
    return ProviderEventRow(
        id=EventId(row["id"]),
        account_id=AccountId(row["account_id"]),
        webhook_id=WebhookId(row["webhook_id"]),
        kind=row["kind"],
        sender_external_id=row["sender_external_id"],
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        size=row["size"],
        sealed=row["sealed"],
    )
