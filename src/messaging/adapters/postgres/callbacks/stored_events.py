"""Stores events with their bodies, and reads them back for the tenant."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from asyncpg import Record

from messaging.adapters.postgres.session.columns import transposed
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.events import EventFilter, EventPage, EventRow, NewCallbackEvent
from messaging.domain.shared.ids import CallbackEventId, TenantId
from messaging.domain.shared.mode import TenantScope

# Index: callback_events_pkey of each week, backwards, newest week first.
LAST: Final = "SELECT e.id FROM callback_events e WHERE e.tenant_id = $1 ORDER BY e.id DESC LIMIT 1"

ADD: Final = """
INSERT INTO callback_events (tenant_id, id, mode, subject_kind, subject_id, sequence, type, occurred_at, body_encrypted,
                             body_sha256, trace_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::text[],
                     $8::timestamptz[], $9::bytea[], $10::bytea[], $11::text[])
"""
_COLUMNS: Final = 11

_SHOWN: Final = "e.id, e.created_at, e.trace_id, e.body_encrypted"

# Index: callback_events_pkey.
ONE: Final = f"SELECT {_SHOWN} FROM callback_events e WHERE e.tenant_id = $1 AND e.mode = $2 AND e.id = $3"

# Events that a page of one type looks at: others are passed over, but not without end.
_STRETCH: Final = 5_000

_PLAIN: Final = f"SELECT {_SHOWN} FROM callback_events e WHERE e.tenant_id = $1 AND e.mode = $2 AND e.id > $3"


class PostgresStoredEvents:
    """Events of all tenants, written in one open transaction of the platform."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def last(self, tenant_id: TenantId) -> CallbackEventId | None:
        found = await self._driver.fetchval(LAST, tenant_id)
        return None if found is None else CallbackEventId(found)

    async def add(self, events: Sequence[NewCallbackEvent]) -> None:
        await self._driver.execute(ADD, *transposed([_row(event) for event in events], _COLUMNS))


class PostgresCallbackEvents:
    """A tenant's events of one mode, read in one open transaction."""

    def __init__(self, driver: Driver, scope: TenantScope) -> None:
        self._driver = driver
        self._scope = scope

    async def page(
        self, wanted: EventFilter, *, after: CallbackEventId | None, since: datetime, limit: int
    ) -> EventPage:
        found = await self._driver.fetch(*page_query(self._scope, wanted, after=_later(after, since), limit=limit + 1))
        shown = tuple(_event(row) for row in found[:limit] if row["body_encrypted"] is not None)
        if len(found) > limit:
            return EventPage(shown, shown[-1].id)
        # A row without a body ends a stretch that was looked at in full.
        end = next((row["id"] for row in found if row["body_encrypted"] is None), None)
        return EventPage(shown, end and CallbackEventId(end))

    async def one(self, id: CallbackEventId) -> EventRow | None:
        row = await self._driver.fetchrow(ONE, *self._scope, id)
        return None if row is None else _event(row)


def page_query(scope: TenantScope, wanted: EventFilter, *, after: UUID, limit: int) -> tuple[Any, ...]:
    """Indexes: callback_events_subject_idx where a subject is asked for, else callback_events_mode_idx from the cursor
    on.

    For events of a type, the page looks at a stretch of events. If that is full and the page is not, a row without a
    body tells where the stretch ends.
    """
    arguments: list[object] = [*scope, after, limit]
    conditions = []
    if wanted.type is not None:
        arguments.append(wanted.type.removesuffix("*"))
        operator = "starts_with(e.type, ${})" if wanted.type.endswith("*") else "e.type = ${}"
        conditions.append(operator.format(len(arguments)))
    if wanted.subject_id is not None:
        arguments.append(wanted.subject_id)
        conditions.append(f"e.subject_id = ${len(arguments)}")
        return (f"{_PLAIN} AND {' AND '.join(conditions)} ORDER BY e.id LIMIT $4", *arguments)
    return (_of_stretch(" AND ".join(conditions)) if conditions else f"{_PLAIN} ORDER BY e.id LIMIT $4", *arguments)


def _of_stretch(conditions: str) -> str:
    return f"""
WITH stretch AS MATERIALIZED (
    SELECT e.id, e.type FROM callback_events e WHERE e.tenant_id = $1 AND e.mode = $2 AND e.id > $3
    ORDER BY e.id LIMIT {_STRETCH}
), chosen AS (
    SELECT e.id FROM stretch e WHERE {conditions} ORDER BY e.id LIMIT $4
), ended AS (
    SELECT id FROM stretch
    WHERE (SELECT count(*) FROM stretch) = {_STRETCH} AND (SELECT count(*) FROM chosen) < $4
    ORDER BY id DESC LIMIT 1
)
SELECT {_SHOWN} FROM chosen c JOIN callback_events e ON e.tenant_id = $1 AND e.id = c.id
UNION ALL
SELECT ended.id, NULL, NULL, NULL FROM ended
ORDER BY id
"""


def _later(after: CallbackEventId | None, since: datetime) -> UUID:
    """The later of the cursor and the first id that an event of the instant may have."""
    first = UUID(int=int(since.timestamp() * 1000) << 80)
    return first if after is None else max(after, first)


def _row(event: NewCallbackEvent) -> tuple[object, ...]:
    return (
        *(event.tenant_id, event.id, event.mode.value, event.kind.value, event.subject_id, event.sequence, event.type),
        *(event.occurred_at, event.sealed, event.digest, event.trace_id),
    )


def _event(row: Record) -> EventRow:
    return EventRow(
        id=CallbackEventId(row["id"]),
        created_at=row["created_at"],
        trace_id=row["trace_id"],
        sealed=row["body_encrypted"],
    )
