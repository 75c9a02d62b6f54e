"""Reads messages back: one by id, lists newest first, timelines of events, and dead letters."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
from asyncpg import Record

from messaging.adapters.postgres.reading.message_counts import Count
from messaging.adapters.postgres.reading.message_lists import COLUMNS, LAST_ID, LIST_SETTINGS, PageQuery
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.records import (
    CountedRange,
    DeadLetterRow,
    EventRow,
    MessageCounts,
    MessageFilter,
    MessagePage,
    MessageRow,
)
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, MessageId, Prefix, typeid
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

# A letter has the mode of its message.
_LETTER: Final = """
SELECT l.message_id, l.code, l.reason, l.died_at, l.resolved_at, l.resolution FROM dead_letters l
WHERE l.tenant_id = $1 AND EXISTS (
    -- Keeps it a look for each letter: the planner might gather all messages of the mode instead, and hash them.
    SELECT FROM messages m WHERE m.tenant_id = $1 AND m.id = l.message_id AND m.mode = $2 OFFSET 0)
"""

# Indexes: dead_letters_open_idx, dead_letters_pkey; backwards; messages_pkey.
OPEN_LETTERS: Final = f"{_LETTER} AND l.message_id < $3 AND l.resolved_at IS NULL ORDER BY l.message_id DESC LIMIT $4"
ALL_LETTERS: Final = f"{_LETTER} AND l.message_id < $3 ORDER BY l.message_id DESC LIMIT $4"
ONE_LETTER: Final = f"{_LETTER} AND l.message_id = $3"

# Index: messages_pkey.
KNOWN: Final = """
SELECT m.id FROM messages m
WHERE m.tenant_id = $1 AND m.id = ANY($2::uuid[]) AND m.id BETWEEN $3 AND $4 AND m.mode = $5
"""

# Indexes: senders_pkey, dispatches_pkey: the tenant's part of the outbox. Messages that wait only to be heard of again
# (`poll_status`) have been taken by the provider.
UNDER_WAY: Final = """
SELECT count(*) FROM (
    SELECT FROM dispatches d JOIN senders s ON s.tenant_id = d.tenant_id AND s.id = d.sender_id
    WHERE d.tenant_id = $1 AND d.kind IN ('deliver', 'stop_waiting') AND s.account_id = $2 AND s.mode = $3 LIMIT $4
) AS waiting
"""

# Index: dead_letters_open_idx.
OPEN_AMONG: Final = """
SELECT l.message_id FROM dead_letters l
WHERE l.tenant_id = $1 AND l.message_id = ANY($2::uuid[]) AND l.resolved_at IS NULL
"""

# Indexes: messages_pkey, dead_letters_pkey. The messages are locked already: waiting for a lock here, the statement
# would see letters as they were before the wait.
DISCARD: Final = """
WITH message AS (
    UPDATE messages m SET seq = m.seq + 1, updated_at = clock_timestamp()
    WHERE m.tenant_id = $1 AND m.id = ANY($2::uuid[]) AND m.id BETWEEN $3 AND $4 AND m.state = 'dead' AND EXISTS (
        SELECT FROM dead_letters l WHERE l.tenant_id = $1 AND l.message_id = m.id AND l.resolved_at IS NULL)
    RETURNING m.id, m.seq
), letter AS (
    UPDATE dead_letters l SET resolved_at = clock_timestamp(), resolution = 'discarded'
    FROM message WHERE l.tenant_id = $1 AND l.message_id = message.id
)
INSERT INTO events (tenant_id, message_id, seq, type, state, detail)
SELECT $1, message.id, message.seq, 'dead_letter.discarded', 'dead', $5::jsonb FROM message
RETURNING message_id
"""


class PostgresRecords:
    """Bound to the open transaction of one tenant in one mode; in one of both modes it sees nothing."""

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
        if not query.by_what_changes:
            rows = await self._driver.fetch(*query.newest(limit + 1))
        else:
            rows = await self._driver.fetch(*query.stretch(limit + 1))
            if len(rows) <= limit:
                end = await self._driver.fetchval(*query.end_of_stretch())
                return MessagePage(rows=tuple(map(_message, rows)), scanned_to=end and MessageId(end))
        shown = tuple(_message(row) for row in rows[:limit])
        return MessagePage(rows=shown, scanned_to=shown[-1].id if len(rows) > limit else None)

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

    async def dead_letters(self, *, before: MessageId | None, limit: int, open_only: bool) -> Sequence[DeadLetterRow]:
        statement = OPEN_LETTERS if open_only else ALL_LETTERS
        rows = await self._driver.fetch(statement, *self._scope, before or LAST_ID, limit)
        return [_letter(row) for row in rows]

    async def dead_letter(self, id: MessageId) -> DeadLetterRow | None:
        row = await self._driver.fetchrow(ONE_LETTER, *self._scope, id)
        return None if row is None else _letter(row)

    async def undecided(self, wanted: MessageFilter, *, limit: int) -> Sequence[MessageId]:
        await self._driver.execute(LIST_SETTINGS)
        rows = await self._driver.fetch(*PageQuery(self._scope, wanted, None).undecided(limit))
        return [MessageId(row["id"]) for row in rows]

    async def under_way(self, account_id: AccountId, *, most: int) -> int:
        count: int = await self._driver.fetchval(UNDER_WAY, self._tenant_id, account_id, self._mode, most)
        return count

    async def known(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        rows = await self._driver.fetch(KNOWN, self._tenant_id, *_with_bounds(ids), self._mode)
        return {MessageId(row["id"]) for row in rows}

    async def open_dead_letters(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        rows = await self._driver.fetch(OPEN_AMONG, self._tenant_id, list(ids))
        return {MessageId(row["message_id"]) for row in rows}

    async def discard_dead_letters(self, ids: Collection[MessageId], *, by: str, reason: str) -> AbstractSet[MessageId]:
        detail = msgspec.json.encode({"by": by, "reason": reason}).decode()
        rows = await self._driver.fetch(DISCARD, self._tenant_id, *_with_bounds(ids), detail)
        return {MessageId(row["message_id"]) for row in rows}


def _with_bounds(ids: Collection[MessageId]) -> tuple[list[MessageId], MessageId | None, MessageId | None]:
    """The bounds let Postgres skip the other weeks' partitions."""
    return list(ids), min(ids, default=None), max(ids, default=None)


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
    )


def _letter(row: Record) -> DeadLetterRow:
    return DeadLetterRow(
        message_id=MessageId(row["message_id"]),
        code=row["code"],
        reason=row["reason"],
        died_at=row["died_at"],
        resolved_at=row["resolved_at"],
        resolution=row["resolution"],
    )
