"""Builds the SQL of message lists: newest first, by any filter, each along an index and bounded in rows read."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from messaging.application.ports.records import MessageFilter
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId
from messaging.domain.shared.mode import TenantScope

# The number of messages that one page reads at most, in a list by columns that change (state, error code, time of the
# change). Those columns are in no index. The next page continues where this one stopped.
STRETCH: Final = 5_000
# Bytes of sealed contents after which a page ends: e-mails carry files, and a process holds the pages of many callers.
# The row that passes it is the last with its content.
MOST_BYTES: Final = 8 * 2**20
# States in which every message has a dispatch. Lists by these states read the outbox, which has few rows.
WAITING: Final = frozenset({State.SCHEDULED, State.QUEUED, State.CLAIMED, State.SENDING})
# States that few messages are in. Lists by these states read the events that led to them.
RARE: Final = frozenset({State.UNKNOWN, State.FAILED, State.EXPIRED, State.CANCELLED, State.UNCONFIRMED, State.DEAD})
# Written out so that the planner can prove that the partial index events_rare_state_idx applies.
_RARE_CONDITION: Final = "e.state IN ('unknown', 'failed', 'expired', 'cancelled', 'unconfirmed', 'dead')"
# Seconds by which a message's created_at and the time in its id may differ: they are read from a clock separately.
CLOCK_SLACK: Final = 2.0

# Settings for lists. Planning over a year of partitions takes longer than the query, so a plan is made once per set of
# filters; the filters' values do not matter to it. Every list has an index in its order; a sort would read every row.
LIST_SETTINGS: Final = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_sort = off"

LAST_ID: Final = UUID(int=2**128 - 1)

COLUMNS: Final = """
    m.id, m.mode, m.channel, m.state, m.category, m.priority, m.on_unknown, m.policy, m.account_id, m.sender_id,
    m.template_id, m.reference, m.summary, m.attempts, m.checks, m.error_code, m.error_reason, m.possible_duplicate,
    m.send_at, m.expires_at, m.created_at, m.updated_at, m.trace_id,
    (SELECT a.provider_message_id FROM attempts a
     WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.provider_message_id IS NOT NULL
     ORDER BY a.epoch DESC LIMIT 1) AS provider_message_id
"""


class PageQuery:
    """A filter as SQL: each form is a statement and its arguments.

    Indexes, depending on the filter: messages_pkey, messages_recipient_idx, messages_reference_idx,
    messages_template_idx, dispatches_pkey, events_rare_state_idx; all backwards from the cursor. Instants become bounds
    of ids, which are in the order of time.
    """

    def __init__(self, scope: TenantScope, wanted: MessageFilter, before: MessageId | None) -> None:
        self._wanted = wanted
        self._arguments: list[object] = [scope.tenant_id]
        self._floor = UUID(int=0) if wanted.created_after is None else id_at(wanted.created_after, -CLOCK_SLACK)
        self._ceiling: UUID = before or LAST_ID
        if wanted.created_before is not None:
            self._ceiling = min(self._ceiling, id_at(wanted.created_before, CLOCK_SLACK))
        if wanted.message_id is not None:
            self._floor, self._ceiling = max(self._floor, wanted.message_id), min(self._ceiling, wanted.message_id)
        self._range = f"BETWEEN {self._argument(self._floor)} AND {self._argument(self._ceiling)}"
        # BETWEEN includes the cursor itself, which the previous page has shown.
        self._shown = self._argument(before or LAST_ID)
        self._bounds = len(self._arguments)
        self._conditions = ["m.tenant_id = $1", f"m.id {self._range}", f"m.id <> {self._shown}"]
        self._selective = bool(wanted.recipient_indexes) or wanted.reference is not None
        # Of several usable indexes a generic plan might choose the worst, so the condition is written to fit one only.
        template = "m.template_name || ''" if self._selective else "m.template_name"
        for left, value in (
            ("m.reference =", wanted.reference),
            (f"{template} =", wanted.template),
            ("m.mode =", scope.mode),
            ("m.created_at >=", wanted.created_after),
            ("m.created_at <", wanted.created_before),
        ):
            if value is not None:
                self._conditions.append(f"{left} {self._argument(value)}")
        self._names = self._several_names(wanted)
        self._filters = len(self._arguments)
        # Columns that change are in no index: they are checked in each message of a stretch, a run of STRETCH ids.
        self.by_what_changes = bool(wanted.states) or any(value is not None for _, value in _changing(wanted))

    def _several_names(self, wanted: MessageFilter) -> list[str]:
        """The arguments with a recipient's addresses, if the messages of each are read by index and merged."""
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
        """Ids of messages that no person has decided about yet.

        A dead message whose dead letter is resolved stays dead, but a person has decided about it. The same goes for a
        failed message that a person has marked as failed.
        """
        self._conditions.append(
            "(m.state <> 'dead' OR EXISTS (SELECT FROM dead_letters l WHERE l.tenant_id = m.tenant_id"
            " AND l.message_id = m.id AND l.resolved_at IS NULL))"
        )
        self._conditions.append("(m.state <> 'failed' OR m.error_code IS DISTINCT FROM 'resolved_by_operator')")
        self._conditions.extend(self._as_it_stands())
        if not self._selective and RARE.issuperset(self._wanted.states):
            source = self._walk(limit)
        else:
            if self._names:
                self._conditions.append(f"m.recipient_index IN ({', '.join(self._names)})")
            states = self._argument([state.value for state in self._wanted.states])
            source = f"SELECT m.id FROM messages m WHERE {self._where()} AND m.state = ANY({states}) ORDER BY m.id DESC"
        return f"SELECT m.id FROM ({source} LIMIT {self._argument(limit)}) AS m", *self._arguments

    def _walk(self, limit: int) -> str:
        """One index scan per state, each ending after `limit` messages that are still in that state; then merged.

        The inner LIMIT 1 keeps the planner from reading and sorting all events of the state first.
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
        candidates, wanted = self._candidates(), self._as_it_stands()
        if self._wanted.states:
            wanted.append(f"m.state = ANY({self._argument([state.value for state in self._wanted.states])}::text[])")
        matches = " AND ".join(wanted)
        if candidates is None:
            source = f"""
                SELECT m.* FROM (SELECT m.* {self._newest_first()} LIMIT {STRETCH}) AS m
                WHERE {matches} ORDER BY m.id DESC"""
        else:
            # The inner LIMIT makes a lookup per message, up to the last one wanted, instead of a join of whole tables.
            source = f"""
                SELECT DISTINCT ON (s.id) m.* FROM ({candidates} LIMIT {STRETCH}) AS s CROSS JOIN LATERAL (
                    SELECT m.* FROM messages m
                    WHERE m.id = s.id AND {self._where()} AND {matches} LIMIT 1
                ) AS m ORDER BY s.id DESC"""
        return self._page(source, limit)

    def _as_it_stands(self) -> list[str]:
        """Conditions on columns that change, except the state; their arguments come after all others."""
        return [f"m.{left} {self._argument(value)}" for left, value in _changing(self._wanted) if value is not None]

    def end_of_stretch(self) -> tuple[Any, ...]:
        """A query for the last id of a full stretch; it returns none when the list ends inside the stretch."""
        candidates, arguments = self._candidates(), self._arguments[: self._bounds]
        if candidates is None:
            candidates, arguments = f"SELECT m.id {self._newest_first()}", self._arguments[: self._filters]
        return f"SELECT s.id FROM ({candidates} OFFSET {STRETCH - 1} LIMIT 1) AS s", *arguments

    def _candidates(self) -> str | None:
        """A query for ids, newest first, that include all messages in the wanted states; None if only all ids would.

        The sources (outbox, events) are each in order, and are merged. An id may occur more than once.
        """
        states = self._wanted.states
        if self._selective or not states or not (WAITING | RARE).issuperset(states):
            return None
        # States are written out, so that the planner can prove that the partial index applies.
        sources = [
            self._ids("events", "message_id", f"i.state = '{state.value}' AND") for state in states if state in RARE
        ]
        if not RARE.issuperset(states):
            sources.append(self._ids("dispatches", "subject_id"))
        if len(sources) == 1:
            return sources[0]
        merged = " UNION ALL ".join(f"({source})" for source in sources)
        return f"SELECT c.id FROM ({merged}) AS c ORDER BY c.id DESC"

    def _ids(self, table: str, id: str, condition: str = "") -> str:
        return f"""
            SELECT i.{id} AS id FROM {table} i
            WHERE i.tenant_id = $1 AND {condition} i.{id} {self._range} AND i.{id} <> {self._shown}
            ORDER BY i.{id} DESC"""

    def _newest_first(self) -> str:
        """The source of messages, newest first; for a recipient with several addresses, merged from each address."""
        if not self._names:
            return f"FROM messages m WHERE {self._where()} ORDER BY m.id DESC"
        of_name = f"SELECT m.* FROM messages m WHERE {self._where()} AND m.recipient_index ="
        return f"""
            FROM ({" UNION ALL ".join(f"({of_name} {name} ORDER BY m.id DESC)" for name in self._names)}) AS m
            ORDER BY m.id DESC"""

    def _page(self, source: str, limit: int) -> tuple[Any, ...]:
        # The sizes of contents are known without reading them.
        query = f"""
            SELECT {COLUMNS}, CASE
                WHEN sum(octet_length(c.sealed)) OVER (ORDER BY m.id DESC) - octet_length(c.sealed) < {MOST_BYTES}
                THEN c.sealed END AS sealed
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


def _changing(wanted: MessageFilter) -> tuple[tuple[str, object], ...]:
    return (
        ("error_code =", wanted.error_code),
        ("updated_at >=", wanted.updated_after),
        ("updated_at <", wanted.updated_before),
    )


def id_at(instant: datetime, seconds: float) -> UUID:
    """The smallest UUIDv7 of `instant` plus `seconds`, as by SQL's `uuid_floor`; before 1970 counts as 1970."""
    milliseconds = max(int((instant.timestamp() + seconds) * 1000), 0)
    return UUID(int=min(milliseconds, 2**48 - 1) << 80)
