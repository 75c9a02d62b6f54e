"""Reads messages back: one by id, lists newest first, counts, and timelines of events."""

from collections.abc import Sequence
from typing import Final

from asyncpg import Record

from messaging.adapters.postgres.reading.message_counts import Count
from messaging.adapters.postgres.reading.message_lists import COLUMNS, LIST_SETTINGS, PageQuery
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.records import (
    CountedRange,
    EventRow,
    MessageCounts,
    MessageFilter,
    MessagePage,
    MessageRow,
)
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.domain.shared.mode import TenantScope

# Indexes: messages_pkey, contents_pkey, attempts_pkey.
MESSAGE: Final = f"""
SELECT {COLUMNS}, c.sealed
FROM messages m JOIN contents c ON c.tenant_id = m.tenant_id AND c.message_id = m.id AND c.message_id = $2
WHERE m.tenant_id = $1 AND m.id = $2 AND m.mode = $3
"""

# Indexes: events_pkey, messages_pkey.
EVENTS: Final = """
SELECT e.seq, e.type, e.state, e.recorded_at, e.occurred_at, e.detail
FROM events e WHERE e.tenant_id = $1 AND e.message_id = $2 AND e.seq > $3 AND EXISTS (
    SELECT FROM messages m WHERE m.tenant_id = $1 AND m.id = $2 AND m.mode = $5)
ORDER BY e.seq LIMIT $4
"""


class PostgresRecords:
    """A tenant's messages of one mode, read in one open transaction; a transaction for both modes finds none."""

    def __init__(self, driver: Driver, scope: TenantScope) -> None:
        self._driver = driver
        self._scope = scope
        self._tenant_id, self._mode = scope

    async def message(self, id: MessageId) -> MessageRow | None:
        row = await self._driver.fetchrow(MESSAGE, self._tenant_id, id, self._mode)
        return None if row is None else _message(row)

    async def page(self, wanted: MessageFilter, *, before: MessageId | None, limit: int) -> MessagePage:
        query = PageQuery(self._scope, wanted, before)
        await self._driver.execute(LIST_SETTINGS)
        newest = query.stretch(limit + 1) if query.by_what_changes else query.newest(limit + 1)
        rows = await self._driver.fetch(*newest)
        shown = tuple(_message(row) for row in rows[:limit] if row["sealed"] is not None)
        if len(rows) > len(shown):
            return MessagePage(rows=shown, scanned_to=shown[-1].id)
        end = await self._driver.fetchval(*query.end_of_stretch()) if query.by_what_changes else None
        return MessagePage(rows=shown, scanned_to=end and MessageId(end))

    async def counts(self, wanted: CountedRange) -> MessageCounts:
        return await Count(self._driver, self._scope, wanted)()

    async def events(self, id: MessageId, *, after: int, limit: int) -> Sequence[EventRow]:
        rows = await self._driver.fetch(EVENTS, self._tenant_id, id, after, limit, self._mode)
        return [
            EventRow(
                seq=row["seq"],
                type=row["type"],
                state=State(row["state"]),
                recorded_at=row["recorded_at"],
                occurred_at=row["occurred_at"],
                detail=row["detail"],
            )
            for row in rows
        ]


def _message(row: Record) -> MessageRow:
    return MessageRow(
        id=MessageId(row["id"]),
        mode=row["mode"],
        channel=row["channel"],
        state=State(row["state"]),
        category=row["category"],
        priority=row["priority"],
        on_unknown=row["on_unknown"],
        policy=row["policy"],
        account_id=typeid(Prefix.ACCOUNT, row["account_id"]),
        sender_id=typeid(Prefix.SENDER, row["sender_id"]),
        template_id=None if row["template_id"] is None else typeid(Prefix.TEMPLATE, row["template_id"]),
        reference=row["reference"],
        summary=row["summary"],
        attempts=row["attempts"],
        checks=row["checks"],
        error_code=row["error_code"],
        error_reason=row["error_reason"],
        provider_message_id=row["provider_message_id"],
        possible_duplicate=row["possible_duplicate"],
        send_at=row["send_at"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        sealed=row["sealed"],
        trace_id=row["trace_id"],
    )
