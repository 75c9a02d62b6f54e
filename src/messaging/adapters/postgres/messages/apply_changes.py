"""Writes a set of decided changes in one statement, which checks them against the rows and decides nothing.

Usually the caller holds the messages' locks, and the set is written as a whole or refused as a whole. The statement
compares `seq` even then: a change that was decided on an older state of its message is refused. This comparison also
allows changes to be written without locks, each accepted or refused by itself.

Wide rows are passed as one array of a row type: one array per column takes twice as long in the driver and in the
server.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from messaging.adapters.postgres.announcing import of_messages as announcing
from messaging.adapters.postgres.announcing.of_messages import NOBODY
from messaging.adapters.postgres.schema.weeks import ALL_WEEKS
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.listening import Listening
from messaging.application.ports.lifecycles import StaleChange
from messaging.domain.messages.change import AttemptOpened, AttemptUpdated, Change, Schedule, Unschedule
from messaging.domain.messages.message_state import MessageKey, Outcome, Phase
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId, TenantId
from messaging.domain.shared.mode import Mode

# Index: messages_pkey. The updated columns are in no index, so these are HOT updates.
_MOVE: Final = """
UPDATE messages{week} m
SET state = c.state, seq = c.seq, epoch = c.epoch, attempts = c.attempts, checks = c.checks,
    claim_failures = c.claim_failures, possible_duplicate = m.possible_duplicate OR c.possible_duplicate,
    error_code = CASE WHEN c.keep_error THEN m.error_code ELSE c.error_code END,
    error_reason = CASE WHEN c.keep_error THEN m.error_reason ELSE c.error_reason END,
    updated_at = clock_timestamp()
FROM unnest($1::given_change[]) AS c
WHERE m.tenant_id = c.tenant_id AND m.id = c.id
  AND m.seq = c.expected_seq AND m.state = c.previous AND {has_attempt}
RETURNING m.tenant_id, m.id, m.account_id, m.epoch, c.lease_owner, c.lease, c.opened_duplicate, c.forgotten, c.kind,
          c.due_at, c.withdrawn{mode}
"""

# The condition of all other writes: every message of the set was updated, or this message was.
_ALL_MOVED: Final = "(SELECT count(*) FROM moved) = cardinality($1)"
# OFFSET 0 makes the planner look keys up in a hash of the moved messages, instead of comparing each with each.
_IT_MOVED: Final = "({key}) IN (SELECT m.tenant_id, m.id FROM moved m OFFSET 0)"
# A message may move to `sending` only if its attempt exists: without one, the start of the request would go unrecorded.
_HAS_ATTEMPT: Final = """(c.previous <> 'claimed' OR c.state <> 'sending' OR EXISTS (
    SELECT FROM attempts{week} a
    WHERE a.tenant_id = c.tenant_id AND a.message_id = c.id AND a.epoch = c.epoch
    -- Keeps it a look for each: the planner might gather all attempts there are instead, and hash them.
    OFFSET 0))
"""

_TELL: Final = """
INSERT INTO events{week} (tenant_id, message_id, seq, type, state, detail, occurred_at)
SELECT e.tenant_id, e.message_id, e.seq, e.type, e.state, e.detail, e.occurred_at
FROM unnest($2::given_event[]) AS e
WHERE {moved}
"""

# Index: attempts_pkey. An attempt that the provider has accepted stays accepted, whatever a later update says. If a
# second attempt of the message was accepted too, it is recorded as accepted and flagged as a possible duplicate.
_UPDATE_ATTEMPTS: Final = """
UPDATE attempts{week} a
SET phase = CASE WHEN a.outcome = 'accepted' THEN a.phase ELSE c.phase END,
    outcome = CASE WHEN a.outcome = 'accepted' THEN a.outcome ELSE COALESCE(c.outcome, a.outcome) END,
    provider_message_id = COALESCE(c.provider_message_id, a.provider_message_id),
    error_code = CASE WHEN a.outcome = 'accepted' THEN a.error_code ELSE COALESCE(c.error_code, a.error_code) END,
    error_reason = CASE WHEN a.outcome = 'accepted' THEN a.error_reason
                        ELSE COALESCE(c.error_reason, a.error_reason) END,
    http_status = COALESCE(c.http_status, a.http_status),
    latency_ms = COALESCE(c.latency_ms, a.latency_ms),
    started_at = CASE WHEN c.phase = 'started' THEN clock_timestamp() ELSE a.started_at END,
    finished_at = CASE WHEN c.phase = 'closed' THEN COALESCE(a.finished_at, clock_timestamp()) ELSE a.finished_at END,
    possible_duplicate = a.possible_duplicate OR c.again OR (
        c.several AND c.outcome = 'accepted' AND a.outcome IS DISTINCT FROM 'accepted' AND EXISTS (
            SELECT FROM attempts{week} o
            WHERE o.tenant_id = a.tenant_id AND o.message_id = a.message_id AND o.epoch <> a.epoch
              AND o.outcome = 'accepted'))
FROM unnest($3::given_news[]) AS c
WHERE a.tenant_id = c.tenant_id AND a.message_id = c.message_id AND a.epoch = c.epoch
  AND {moved}
RETURNING a.tenant_id, a.message_id, a.possible_duplicate, c.phase AS wanted
"""

_OPEN_ATTEMPTS: Final = """
INSERT INTO attempts{week} (tenant_id, message_id, account_id, epoch, lease_owner, lease_until, possible_duplicate,
                            phase, outcome)
SELECT m.tenant_id, m.id, m.account_id, m.epoch, m.lease_owner, clock_timestamp() + m.lease, m.opened_duplicate,
       CASE WHEN m.forgotten THEN 'unknown' ELSE 'claimed' END, CASE WHEN m.forgotten THEN 'unknown' END
FROM moved m WHERE m.lease_owner IS NOT NULL AND {condition}
"""
# A message has at most one open attempt, so the update that closes the last one must run before the next is inserted.
_AFTER_NEWS: Final = "(SELECT count(*) FROM news) >= 0"

# Index: dispatches_pkey. Nearly always the dispatch exists; where it does not, the statement SCHEDULE follows. A single
# INSERT … ON CONFLICT would lock each row before updating it, and takes longer to set up.
_POSTPONE: Final = """
UPDATE dispatches d SET kind = m.kind, due_at = m.due_at
FROM moved m WHERE d.tenant_id = m.tenant_id AND d.subject_id = m.id AND m.kind IS NOT NULL
RETURNING d.tenant_id, d.subject_id
"""

_SETTLE: Final = """
DELETE FROM dispatches d USING moved m
WHERE m.withdrawn AND d.tenant_id = m.tenant_id AND d.subject_id = m.id
"""

# Index: messages_pkey.
SCHEDULE: Final = """
INSERT INTO dispatches (tenant_id, subject_id, sender_id, flow_id, channel, priority, kind, due_at)
SELECT m.tenant_id, m.id, m.sender_id,
       COALESCE(m.template_id, m.own_template_id, '00000000-0000-0000-0000-000000000000'),
       m.channel, m.priority, c.kind, c.due_at
FROM unnest($1::given_change[]) AS c JOIN messages m ON m.tenant_id = c.tenant_id AND m.id = c.id
WHERE c.kind IS NOT NULL
ON CONFLICT (tenant_id, subject_id) DO UPDATE SET kind = excluded.kind, due_at = excluded.due_at
"""

FLAG_DUPLICATES: Final = """
UPDATE messages m SET possible_duplicate = true
FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id)
WHERE m.tenant_id = k.tenant_id AND m.id = k.id AND NOT m.possible_duplicate
"""

UNSCHEDULE: Final = """
DELETE FROM dispatches d USING unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, subject_id)
WHERE d.tenant_id = k.tenant_id AND d.subject_id = k.subject_id
"""

ADD_DEAD_LETTERS: Final = """
INSERT INTO dead_letters AS l (tenant_id, message_id, died_at, code, reason)
SELECT c.tenant_id, c.message_id, clock_timestamp(), c.code, c.reason
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS c(tenant_id, message_id, code, reason)
ON CONFLICT (tenant_id, message_id) DO UPDATE
SET died_at = excluded.died_at, code = excluded.code, reason = excluded.reason, resolved_at = NULL, resolution = NULL
"""

RESOLVE: Final = """
UPDATE dead_letters l SET resolved_at = clock_timestamp(), resolution = c.resolution
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS c(tenant_id, message_id, resolution)
WHERE l.tenant_id = c.tenant_id AND l.message_id = c.message_id AND l.resolved_at IS NULL
"""

# Told of changes that were written, committed or not: whoever keeps the traces of bad ends looks at them later.
Noted = Callable[[Sequence[Change]], object]


def ignored(changes: Sequence[Change]) -> None:
    """Takes no note, for a process or a tenant's transaction in which nobody looks."""


_json = msgspec.json.Encoder()


class Parts(NamedTuple):
    """Which steps a set of changes needs for at least one message; `each` if messages are written one by one."""

    news: bool
    opened: bool
    scheduled: bool
    withdrawn: bool
    each: bool = False
    announced: bool = False


@cache
def statement(parts: Parts, week: str = ALL_WEEKS) -> str:
    """The one statement that writes a set of changes, with the steps in `parts`.

    All steps are one statement, because half the cost of a small statement, here and in the driver, does not depend on
    what it does. Steps that no message needs are left out; the few combinations that occur are prepared once each.
    `week` is the suffix of the partitions in which the messages live (see `weeks`).
    """
    moved = _IT_MOVED if parts.each else _ALL_MOVED
    steps = {
        "moved": _move(parts, week),
        "told": _TELL.format(week=week, moved=moved.format(key="e.tenant_id, e.message_id")),
    }
    if parts.news:
        steps["news"] = _UPDATE_ATTEMPTS.format(week=week, moved=moved.format(key="c.tenant_id, c.message_id"))
    if parts.opened:
        steps["opened"] = _OPEN_ATTEMPTS.format(week=week, condition=_AFTER_NEWS if parts.news else "true")
    if parts.scheduled:
        steps["postponed"] = _POSTPONE
    if parts.withdrawn:
        steps["withdrawn"] = _SETTLE
    if parts.announced:
        steps["announced"] = announcing.step(4 if parts.news else 3)
    if parts.each:
        columns = ["m.tenant_id", "m.id", f"{_DISPATCH_MISSING if parts.scheduled else 'false'} AS dispatch_missing"]
        source = "FROM moved m" + (_WITH_POSTPONED if parts.scheduled else "")
    else:
        columns = [
            "(SELECT count(*) FROM moved) AS moved",
            f"{'(SELECT count(*) FROM postponed)' if parts.scheduled else '0'} AS postponed",
            *(_OF_NEWS if parts.news else ("0 AS started", "NULL AS flagged")),
        ]
        source = "FROM news n" if parts.news else ""
    written = ", ".join(f"{name} AS ({step})" for name, step in steps.items())
    return f"WITH {written} SELECT {', '.join(columns)} {source}"


def _move(parts: Parts, week: str) -> str:
    has_attempt = _HAS_ATTEMPT.format(week=week) if parts.each else "true"
    return _MOVE.format(week=week, has_attempt=has_attempt, mode=", m.mode" if parts.announced else "")


# True where the message had no dispatch to update.
_DISPATCH_MISSING: Final = "(m.kind IS NOT NULL AND p.subject_id IS NULL)"
_WITH_POSTPONED: Final = " LEFT JOIN postponed p ON p.tenant_id = m.tenant_id AND p.subject_id = m.id"
_OF_NEWS: Final = (
    "count(*) FILTER (WHERE n.wanted = 'started') AS started",
    "array_agg(n.tenant_id) FILTER (WHERE n.possible_duplicate) AS flagged_tenants",
    "array_agg(n.message_id) FILTER (WHERE n.possible_duplicate) AS flagged",
)


_BY_KEY: Final = attrgetter("key")


async def apply_changes(
    driver: Driver, changes: Sequence[Change], week: str = ALL_WEEKS, listening: Listening = NOBODY
) -> None:
    """Raises StaleChange if a message is not in the state its change expects; the caller must then roll back."""
    # Sorted, so that two batches lock in the same order and cannot deadlock.
    ordered = sorted(changes, key=_BY_KEY)
    await _write(driver, ordered, week, listening)
    if any(State.DEAD in (change.previous, change.state) for change in ordered):
        await _dead_letters(driver, ordered)


async def write_each(
    driver: Driver, changes: Sequence[Change], week: str = ALL_WEEKS, listening: Listening = NOBODY
) -> AbstractSet[MessageKey]:
    """Write changes of messages that are not locked, each wholly or not at all; return those that were written.

    `is_plain` must be true of every change.
    """
    ordered = sorted(changes, key=_BY_KEY)
    rows = await driver.fetch(*_statement_for(ordered, week, listening, each=True))
    if missing := {row["id"] for row in rows if row["dispatch_missing"]}:
        await driver.execute(SCHEDULE, [_row(change) for change in ordered if change.key.message_id in missing])
    return {MessageKey(TenantId(row["tenant_id"]), MessageId(row["id"])) for row in rows}


def is_plain(change: Change) -> bool:
    """Whether the one statement writes all of it: no dead letter, and no second attempt that may be a duplicate."""
    return change.epoch == 1 and State.DEAD not in (change.previous, change.state)


async def _write(driver: Driver, changes: Sequence[Change], week: str, listening: Listening) -> None:
    done = await driver.fetchrow(*_statement_for(changes, week, listening, each=False))
    assert done is not None
    # A start whose attempt was not found is refused, as the request would go unrecorded. Any other update of an attempt
    # without a row (lost with a restored backup) must not keep the message itself from moving.
    news = [each for change in changes for each in change.attempt]
    started = sum(isinstance(each, AttemptUpdated) and each.phase is Phase.STARTED for each in news)
    if done["moved"] != len(changes) or done["started"] != started:
        raise StaleChange
    if done["postponed"] != sum(isinstance(change.dispatch, Schedule) for change in changes):
        await driver.execute(SCHEDULE, [_row(change) for change in changes])
    if done["flagged"]:
        await driver.execute(FLAG_DUPLICATES, done["flagged_tenants"], done["flagged"])


def _statement_for(changes: Sequence[Change], week: str, listening: Listening, *, each: bool) -> tuple[Any, ...]:
    """The text of the statement and its arguments."""
    news = [row for change in changes for row in _attempt_rows(change)]
    # Most tenants do not listen; nothing else is asked then.
    tenants = {change.key.tenant_id for change in changes}
    heard = any(listening.listening(tenant_id, mode) for tenant_id in tenants for mode in Mode)
    told = announcing.rows(changes, listening) if heard else []
    text = statement(_parts(changes, has_news=bool(news), each=each, announced=bool(told)), week)
    rows = [_row(change) for change in changes]
    return text, rows, _events(changes), *([news] if news else []), *_transposed(told)


def _parts(changes: Sequence[Change], *, has_news: bool, each: bool, announced: bool) -> Parts:
    return Parts(
        each=each,
        announced=announced,
        news=has_news,
        opened=any(_opened(change) is not None for change in changes),
        scheduled=any(isinstance(change.dispatch, Schedule) for change in changes),
        withdrawn=any(isinstance(change.dispatch, Unschedule) for change in changes),
    )


def _row(change: Change) -> tuple[Any, ...]:
    """The values in the order of the row type `given_change`."""
    error = change.error if isinstance(change.error, ProviderError) else None
    # The values of the attempt that the change opens, with the message's new epoch; NULLs if it opens none.
    opening: tuple[Any, ...] = (None, None, None, None)
    if (opened := _opened(change)) is not None:
        opening = (opened.lease_owner, opened.lease, opened.possible_duplicate, opened.forgotten)
    return (
        *change.key,
        change.expected_seq,
        change.previous.value,
        change.state.value,
        change.expected_seq + len(change.entries),
        change.epoch,
        change.attempts,
        change.checks,
        change.claim_failures,
        change.possible_duplicate,
        change.error is UNSET,
        None if error is None else _storable(error.code),
        None if error is None else _storable(error.reason),
        *opening,
        *_arrangement(change),
    )


def _opened(change: Change) -> AttemptOpened | None:
    return next((news for news in change.attempt if isinstance(news, AttemptOpened)), None)


def _arrangement(change: Change) -> tuple[Any, ...]:
    match change.dispatch:
        case Schedule(kind=kind, due_at=due_at):
            return kind.value, due_at, False
        case Unschedule():
            return None, None, True
        case None:
            return None, None, False


def _events(changes: Sequence[Change]) -> list[tuple[Any, ...]]:
    return [
        (
            *change.key,
            change.expected_seq + number,
            entry.type,
            entry.state.value,
            _json.encode(entry.detail).decode().replace("\\u0000", "\\ufffd"),
            entry.occurred_at,
        )
        for change in changes
        for number, entry in enumerate(change.entries, start=1)
    ]


def _attempt_rows(change: Change) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    accepted = 0
    for news in change.attempt:
        if not isinstance(news, AttemptUpdated):
            continue
        accepted += news.outcome is Outcome.ACCEPTED
        rows.append(
            (
                *change.key,
                news.epoch,
                news.phase.value,
                None if news.outcome is None else news.outcome.value,
                _storable(news.provider_message_id),
                _storable(news.error_code),
                _storable(news.error_reason),
                news.http_status,
                news.latency_ms,
                change.epoch > 1,
                # Two acceptances in one change: the statement cannot see the one beside it.
                news.outcome is Outcome.ACCEPTED and accepted > 1,
            )
        )
    return rows


async def _dead_letters(driver: Driver, changes: Sequence[Change]) -> None:
    dead, risen = [], []
    for change in changes:
        if change.state is State.DEAD and change.previous is not State.DEAD:
            error = change.error if isinstance(change.error, ProviderError) else ProviderError(code="dead", reason="")
            dead.append((*change.key, _storable(error.code), _storable(error.reason)))
        elif change.previous is State.DEAD and change.state is not State.DEAD:
            # Only a person puts a dead message back into the queue; any other state is from a late receipt.
            risen.append((*change.key, "retried" if change.state is State.QUEUED else "resolved_by_provider"))
    if dead:
        await driver.execute(ADD_DEAD_LETTERS, *_transposed(dead))
    if risen:
        await driver.execute(RESOLVE, *_transposed(risen))


def _storable(text: str | None) -> str | None:
    """The text without NUL, which PostgreSQL cannot store: any answer of a provider must be recordable."""
    return None if text is None else text.replace("\0", "\ufffd")


def _transposed(rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """Rows turned into one array per column, as `unnest` takes them."""
    return list(zip(*rows, strict=True))
