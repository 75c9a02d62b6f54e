"""Reads and resolves dead letters: the records of messages that are not tried again unless a person decides so."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
from asyncpg import Record

from messaging.adapters.postgres.reading.message_lists import LAST_ID
from messaging.adapters.postgres.reading.selections import with_bounds
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.dead_letters import DeadLetterRow
from messaging.domain.shared.ids import MessageId
from messaging.domain.shared.mode import TenantScope

# A dead letter has the mode of its message.
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

# Index: dead_letters_open_idx.
OPEN_AMONG: Final = """
SELECT l.message_id FROM dead_letters l
WHERE l.tenant_id = $1 AND l.message_id = ANY($2::uuid[]) AND l.resolved_at IS NULL
"""

# Indexes: messages_pkey, dead_letters_pkey. The caller has locked the messages already: if this statement waited for a
# lock, it would see dead letters as they were before the wait.
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


class PostgresDeadLetters:
    """A tenant's dead letters of one mode, in one open transaction; a transaction for both modes finds none."""

    def __init__(self, driver: Driver, scope: TenantScope) -> None:
        self._driver = driver
        self._scope = scope
        self._tenant_id = scope.tenant_id

    async def page(self, *, before: MessageId | None, limit: int, open_only: bool) -> Sequence[DeadLetterRow]:
        statement = OPEN_LETTERS if open_only else ALL_LETTERS
        rows = await self._driver.fetch(statement, *self._scope, before or LAST_ID, limit)
        return [_letter(row) for row in rows]

    async def find(self, id: MessageId) -> DeadLetterRow | None:
        row = await self._driver.fetchrow(ONE_LETTER, *self._scope, id)
        return None if row is None else _letter(row)

    async def open_among(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        rows = await self._driver.fetch(OPEN_AMONG, self._tenant_id, list(ids))
        return {MessageId(row["message_id"]) for row in rows}

    async def discard(self, ids: Collection[MessageId], *, by: str, reason: str) -> AbstractSet[MessageId]:
        detail = msgspec.json.encode({"by": by, "reason": reason}).decode()
        rows = await self._driver.fetch(DISCARD, self._tenant_id, *with_bounds(ids), detail)
        return {MessageId(row["message_id"]) for row in rows}


def _letter(row: Record) -> DeadLetterRow:
    return DeadLetterRow(
        message_id=MessageId(row["message_id"]),
        code=row["code"],
        reason=row["reason"],
        died_at=row["died_at"],
        resolved_at=row["resolved_at"],
        resolution=row["resolution"],
    )
