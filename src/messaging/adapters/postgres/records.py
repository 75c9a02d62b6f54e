"""How are messages read back: one, newest first by filter, their timelines, their dead letters?"""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from asyncpg import Record

from messaging.adapters.postgres.transactions import Driver
from messaging.application.ports.records import DeadLetterRow, EventRow, MessageFilter, MessagePage, MessageRow
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, MessageId, Prefix, typeid
from messaging.domain.shared.mode import TenantScope

# How far a list by state looks back for one page; what it has not seen by then comes with the next.
STRETCH: Final = 5_000
# States with a dispatch, always. Lists by these look through the outbox: few rows, however many messages there are.
WAITING: Final = frozenset({State.SCHEDULED, State.QUEUED, State.CLAIMED, State.SENDING})
# States few messages are in. Lists by one of these look through the events that led there.
RARE: Final = frozenset({State.UNKNOWN, State.FAILED, State.EXPIRED, State.CANCELLED, State.UNCONFIRMED, State.DEAD})
# Spelt out so that the planner can prove the partial index fits.
_RARE_CONDITION: Final = "e.state IN ('unknown', 'failed', 'expired', 'cancelled', 'unconfirmed', 'dead')"
# created_at is set a moment before or after the id is made, perhaps by another clock reading.
_CLOCK_SLACK: Final = 2.0

_COLUMNS: Final = """
    m.id, m.mode, m.channel, m.state, m.category, m.priority, m.on_unknown, m.policy, m.account_id, m.sender_id,
    m.template_id, m.reference, m.summary, m.attempts, m.checks, m.error_code, m.error_reason, m.possible_duplicate,
    m.send_at, m.expires_at, m.created_at, m.updated_at,
    (SELECT a.provider_message_id FROM attempts a
     WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.provider_message_id IS NOT NULL
     ORDER BY a.epoch DESC LIMIT 1) AS provider_message_id
"""

# Indexes: messages_pkey, contents_pkey, attempts_pkey.
MESSAGE: Final = f"""
SELECT {_COLUMNS}, c.sealed
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
# (`check_silent`) have been taken by the provider.
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

# For lists. Planning for a year of partitions takes longer than the query, so it is done once: the values decide
# nothing, what is filtered by does. And every list has an index in its order: a sort would read all there is first.
LIST_SETTINGS: Final = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_sort = off"

_LAST: Final = UUID(int=2**128 - 1)


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
        if not wanted.states:
            rows = await self._driver.fetch(*query.newest(limit + 1))
        else:
            rows = await self._driver.fetch(*query.stretch(limit + 1))
            if len(rows) <= limit:
                end = await self._driver.fetchval(*query.end_of_stretch())
                return MessagePage(rows=tuple(map(_message, rows)), scanned_to=end and MessageId(end))
        shown = tuple(_message(row) for row in rows[:limit])
        return MessagePage(rows=shown, scanned_to=shown[-1].id if len(rows) > limit else None)

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
        rows = await self._driver.fetch(statement, *self._scope, before or _LAST, limit)
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


class PageQuery:
    """A filter as SQL: each form is a statement and its arguments.

    Indexes, by what is asked for: messages_pkey, messages_recipient_idx, messages_reference_idx, messages_template_idx,
    dispatches_pkey, events_rare_state_idx; all backwards from the cursor. Instants become bounds of ids, which are in
    time order.
    """

    def __init__(self, scope: TenantScope, wanted: MessageFilter, before: MessageId | None) -> None:
        self._wanted = wanted
        self._arguments: list[object] = [scope.tenant_id]
        self._floor = UUID(int=0) if wanted.created_after is None else _id_at(wanted.created_after, -_CLOCK_SLACK)
        self._ceiling: UUID = before or _LAST
        if wanted.created_before is not None:
            self._ceiling = min(self._ceiling, _id_at(wanted.created_before, _CLOCK_SLACK))
        if wanted.message_id is not None:
            self._floor, self._ceiling = max(self._floor, wanted.message_id), min(self._ceiling, wanted.message_id)
        self._range = f"BETWEEN {self._argument(self._floor)} AND {self._argument(self._ceiling)}"
        # BETWEEN includes the cursor itself, which has been shown.
        self._shown = self._argument(before or _LAST)
        self._bounds = len(self._arguments)
        self._conditions = ["m.tenant_id = $1", f"m.id {self._range}", f"m.id <> {self._shown}"]
        self._selective = bool(wanted.recipient_indexes) or wanted.reference is not None
        # Of several indexes that would do, a plan made without the values might take the worst: one is left to it.
        template = "m.template_name || ''" if self._selective else "m.template_name"
        for left, value in (
            ("m.reference =", wanted.reference),
            (f"{template} =", wanted.template),
            ("m.mode =", scope.mode),
            ("m.error_code =", wanted.error_code),
            ("m.created_at >=", wanted.created_after),
            ("m.created_at <", wanted.created_before),
        ):
            if value is not None:
                self._conditions.append(f"{left} {self._argument(value)}")
        self._names = self._several_names(wanted)
        self._filters = len(self._arguments)

    def _several_names(self, wanted: MessageFilter) -> list[str]:
        """The arguments with a recipient's names, if their messages are to be merged from the index of recipients."""
        indexes = wanted.recipient_indexes
        if indexes and wanted.reference is not None:
            self._conditions.append(f"m.recipient_index || '' = ANY({self._argument(list(indexes))}::bytea[])")
        elif len(indexes) == 1:
            self._conditions.append(f"m.recipient_index = {self._argument(indexes[0])}")
        elif indexes:
            return [self._argument(index) for index in indexes]
        return []

    def newest(self, limit: int) -> tuple[Any, ...]:
        return self._page(f"SELECT m.* {self._newest_first()}", limit)

    def undecided(self, limit: int) -> tuple[Any, ...]:
        """Ids only. A dead message whose letter is settled stays dead, but somebody has decided about it; likewise a
        failed one that a person settled as such.
        """
        self._conditions.append(
            "(m.state <> 'dead' OR EXISTS (SELECT FROM dead_letters l WHERE l.tenant_id = m.tenant_id"
            " AND l.message_id = m.id AND l.resolved_at IS NULL))"
        )
        self._conditions.append("(m.state <> 'failed' OR m.error_code IS DISTINCT FROM 'resolved_by_operator')")
        if not self._selective and RARE.issuperset(self._wanted.states):
            source = self._walk(limit)
        else:
            if self._names:
                self._conditions.append(f"m.recipient_index IN ({', '.join(self._names)})")
            states = self._argument([state.value for state in self._wanted.states])
            source = f"SELECT m.id FROM messages m WHERE {self._where()} AND m.state = ANY({states}) ORDER BY m.id DESC"
        return f"SELECT m.id FROM ({source} LIMIT {self._argument(limit)}) AS m", *self._arguments

    def _walk(self, limit: int) -> str:
        """One walk down the index a state, each ending after `limit` messages that are still in it; then merged.

        The inner LIMIT 1 keeps the planner from reading and sorting all of the state's history first.
        """
        states = self._argument([state.value for state in self._wanted.states])
        many = self._argument(limit)
        return f"""
            SELECT m.* FROM unnest({states}::text[]) AS wanted(state) CROSS JOIN LATERAL (
                SELECT DISTINCT ON (e.message_id) m.*
                FROM events e CROSS JOIN LATERAL (
                    SELECT m.* FROM messages m
                    WHERE m.id = e.message_id AND {self._where()} AND m.state = wanted.state LIMIT 1
                ) AS m
                WHERE e.tenant_id = $1 AND e.state = wanted.state AND {_RARE_CONDITION}
                  AND e.message_id {self._range}
                ORDER BY e.message_id DESC LIMIT {many}
            ) AS m ORDER BY m.id DESC"""

    def stretch(self, limit: int) -> tuple[Any, ...]:
        candidates = self._candidates()
        states = self._argument([state.value for state in self._wanted.states])
        if candidates is None:
            source = f"""
                SELECT m.* FROM (SELECT m.* {self._newest_first()} LIMIT {STRETCH}) AS m
                WHERE m.state = ANY({states}::text[]) ORDER BY m.id DESC"""
        else:
            # The inner LIMIT goes message by message, up to the last one wanted, instead of joining the two as wholes.
            source = f"""
                SELECT DISTINCT ON (s.id) m.* FROM ({candidates} LIMIT {STRETCH}) AS s CROSS JOIN LATERAL (
                    SELECT m.* FROM messages m
                    WHERE m.id = s.id AND {self._where()} AND m.state = ANY({states}::text[]) LIMIT 1
                ) AS m ORDER BY s.id DESC"""
        return self._page(source, limit)

    def end_of_stretch(self) -> tuple[Any, ...]:
        """The last id of a full stretch; nothing when the list ends inside it."""
        candidates, arguments = self._candidates(), self._arguments[: self._bounds]
        if candidates is None:
            candidates, arguments = f"SELECT m.id {self._newest_first()}", self._arguments[: self._filters]
        return f"SELECT s.id FROM ({candidates} OFFSET {STRETCH - 1} LIMIT 1) AS s", *arguments

    def _candidates(self) -> str | None:
        """Ids, newest first, that all messages in the wanted states are among; None: nothing narrower than them all."""
        if self._selective:
            return None
        if WAITING.issuperset(self._wanted.states):
            return f"""
                SELECT d.subject_id AS id FROM dispatches d
                WHERE d.tenant_id = $1 AND d.subject_id {self._range} AND d.subject_id <> {self._shown}
                ORDER BY d.subject_id DESC"""
        if RARE.issuperset(self._wanted.states) and len(self._wanted.states) == 1:
            # Written out, so that the planner can prove the partial index fits.
            return f"""
                SELECT e.message_id AS id FROM events e
                WHERE e.tenant_id = $1 AND e.state = '{self._wanted.states[0].value}'
                  AND e.message_id {self._range} AND e.message_id <> {self._shown}
                ORDER BY e.message_id DESC"""
        return None

    def _newest_first(self) -> str:
        """Of a recipient with several names, each name's messages come in order and are merged."""
        if not self._names:
            return f"FROM messages m WHERE {self._where()} ORDER BY m.id DESC"
        of_name = f"SELECT m.* FROM messages m WHERE {self._where()} AND m.recipient_index ="
        return f"""
            FROM ({" UNION ALL ".join(f"({of_name} {name} ORDER BY m.id DESC)" for name in self._names)}) AS m
            ORDER BY m.id DESC"""

    def _page(self, source: str, limit: int) -> tuple[Any, ...]:
        query = f"""
            SELECT {_COLUMNS}, c.sealed
            FROM ({source} LIMIT {self._argument(limit)}) AS m
            CROSS JOIN LATERAL (
                SELECT c.sealed FROM contents c WHERE c.tenant_id = $1 AND c.message_id = m.id LIMIT 1
            ) AS c
            ORDER BY m.id DESC"""
        return query, *self._arguments

    def _where(self) -> str:
        return " AND ".join(self._conditions)

    def _argument(self, value: object) -> str:
        self._arguments.append(value)
        return f"${len(self._arguments)}"


def _with_bounds(ids: Collection[MessageId]) -> tuple[list[MessageId], MessageId | None, MessageId | None]:
    """The bounds let Postgres skip the other weeks' partitions."""
    return list(ids), min(ids, default=None), max(ids, default=None)


def _id_at(instant: datetime, seconds: float) -> UUID:
    """The smallest UUIDv7 (as SQL's `uuid_floor`) so much later than an instant; before 1970 counts as 1970."""
    milliseconds = max(int((instant.timestamp() + seconds) * 1000), 0)
    return UUID(int=min(milliseconds, 2**48 - 1) << 80)


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
