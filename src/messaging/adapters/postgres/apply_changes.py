"""How are decided changes written? A few statements for the whole set, each checked, none deciding anything.

The caller holds the messages' locks. `seq` is compared all the same: a change decided on an old standing is refused.

Wide rows are given as one array of a row type: as an array per column they take twice as long on both sides.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from messaging.adapters.postgres.transactions import Driver
from messaging.application.ports.lifecycles import StaleChange
from messaging.domain.messages.change import Arrange, AttemptOpened, AttemptUpdated, Change, Withdraw
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.standing import MessageKey, Outcome, Phase
from messaging.domain.messages.state import State

# Index: messages_pkey. The updated columns are in no index, so these are HOT updates.
MOVE: Final = """
UPDATE messages m
SET state = c.state, seq = c.seq, epoch = c.epoch, attempts = c.attempts, checks = c.checks,
    claim_failures = c.claim_failures, possible_duplicate = m.possible_duplicate OR c.possible_duplicate,
    error_code = CASE WHEN c.keep_error THEN m.error_code ELSE c.error_code END,
    error_reason = CASE WHEN c.keep_error THEN m.error_reason ELSE c.error_reason END,
    updated_at = clock_timestamp()
FROM unnest($1::given_move[]) AS c
WHERE m.tenant_id = c.tenant_id AND m.id = c.id AND m.seq = c.expected_seq AND m.state = c.previous
RETURNING m.tenant_id, m.id, m.account_id, m.sender_id, m.template_id, m.channel, m.priority
"""

# Index: attempts_pkey. What the provider has accepted stays accepted, whatever weaker news comes later. If a second
# attempt of one message turns out accepted too, that is the truth and is written, but flagged.
UPDATE_ATTEMPTS: Final = """
UPDATE attempts a
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
            SELECT FROM attempts o
            WHERE o.tenant_id = a.tenant_id AND o.message_id = a.message_id AND o.epoch <> a.epoch
              AND o.outcome = 'accepted'))
FROM unnest($1::given_news[]) AS c
WHERE a.tenant_id = c.tenant_id AND a.message_id = c.message_id AND a.epoch = c.epoch
RETURNING a.tenant_id, a.message_id, a.epoch, a.possible_duplicate
"""

OPEN_ATTEMPTS: Final = """
INSERT INTO attempts (tenant_id, message_id, account_id, epoch, lease_owner, lease_until, possible_duplicate, phase,
                      outcome)
SELECT c.tenant_id, c.message_id, c.account_id, c.epoch, c.lease_owner, clock_timestamp() + c.lease,
       c.possible_duplicate, CASE WHEN c.forgotten THEN 'unknown' ELSE 'claimed' END,
       CASE WHEN c.forgotten THEN 'unknown' END
FROM unnest($1::given_attempt[]) AS c
"""

FLAG_DUPLICATES: Final = """
UPDATE messages m SET possible_duplicate = true
FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id)
WHERE m.tenant_id = k.tenant_id AND m.id = k.id AND NOT m.possible_duplicate
"""

# What every change consists of, in one statement: half of what a small statement costs is its being one. Nothing is
# told of a set that did not move as a whole.
MOVE_AND_TELL: Final = f"""
WITH moved AS ({MOVE}),
told AS (
    INSERT INTO events (tenant_id, message_id, seq, type, state, detail, occurred_at)
    SELECT e.tenant_id, e.message_id, e.seq, e.type, e.state, e.detail, e.occurred_at
    FROM unnest($2::given_event[]) AS e
    WHERE (SELECT count(*) FROM moved) = cardinality($1::given_move[])
)
SELECT * FROM moved
"""

ARRANGE: Final = """
INSERT INTO dispatches (tenant_id, subject_id, sender_id, flow_id, channel, priority, kind, due_at)
SELECT a.tenant_id, a.subject_id, a.sender_id, COALESCE(a.flow_id, '00000000-0000-0000-0000-000000000000'),
       a.channel, a.priority, a.kind, a.due_at
FROM unnest($1::given_dispatch[]) AS a
ON CONFLICT (tenant_id, subject_id) DO UPDATE SET kind = excluded.kind, due_at = excluded.due_at
"""

WITHDRAW: Final = """
DELETE FROM dispatches d USING unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, subject_id)
WHERE d.tenant_id = k.tenant_id AND d.subject_id = k.subject_id
"""

BURY: Final = """
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

_json = msgspec.json.Encoder()

# Per message: what dispatches and attempts need to know of its envelope.
_Envelopes = dict[tuple[Any, Any], Any]


async def apply_changes(driver: Driver, changes: Sequence[Change]) -> None:
    """Raises StaleChange if any message is not where its change expects it; then the transaction must be given up."""
    if not changes:
        return
    # One order for everybody, so that two batches cannot wait for each other.
    ordered = sorted(changes, key=lambda change: change.key)
    envelopes = await _move(driver, ordered)
    await _update_attempts(driver, ordered)
    await _open_attempts(driver, ordered, envelopes)
    await _dispatch(driver, ordered, envelopes)
    await _dead_letters(driver, ordered)


async def _move(driver: Driver, changes: Sequence[Change]) -> _Envelopes:
    rows = [
        (
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
            _storable(change.error.code) if isinstance(change.error, ProviderError) else None,
            _storable(change.error.reason) if isinstance(change.error, ProviderError) else None,
        )
        for change in changes
    ]
    moved = await driver.fetch(MOVE_AND_TELL, rows, _events(changes))
    if len(moved) != len(changes):
        raise StaleChange
    return {(row["tenant_id"], row["id"]): row for row in moved}


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


async def _update_attempts(driver: Driver, changes: Sequence[Change]) -> None:
    rows = [row for change in changes for row in _attempt_rows(change)]
    if not rows:
        return
    updated = await driver.fetch(UPDATE_ATTEMPTS, rows)
    # A stamp that stamped nothing would let a request leave unrecorded. Other news of an attempt we do not have (its
    # row was lost with a restored backup) must not keep the message itself from moving.
    stamped = {(row["tenant_id"], row["message_id"], row["epoch"]) for row in updated}
    if any((*change.key, epoch) not in stamped for change in changes for epoch in _started(change)):
        raise StaleChange
    duplicates = {(row["tenant_id"], row["message_id"]) for row in updated if row["possible_duplicate"]}
    if duplicates:
        await driver.execute(FLAG_DUPLICATES, *_transposed(sorted(duplicates)))


def _started(change: Change) -> list[int]:
    return [news.epoch for news in change.attempt if isinstance(news, AttemptUpdated) and news.phase is Phase.STARTED]


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


async def _open_attempts(driver: Driver, changes: Sequence[Change], envelopes: _Envelopes) -> None:
    rows = [
        (
            *change.key,
            envelopes[change.key]["account_id"],
            news.epoch,
            news.lease_owner,
            news.lease,
            news.possible_duplicate,
            news.forgotten,
        )
        for change in changes
        for news in change.attempt
        if isinstance(news, AttemptOpened)
    ]
    if rows:
        await driver.execute(OPEN_ATTEMPTS, rows)


async def _dispatch(driver: Driver, changes: Sequence[Change], envelopes: _Envelopes) -> None:
    arranged: list[tuple[Any, ...]] = []
    withdrawn: list[MessageKey] = []
    for change in changes:
        match change.dispatch:
            case Arrange(kind=kind, due_at=due_at):
                row = envelopes[change.key]
                lane = (row["sender_id"], row["template_id"], row["channel"], row["priority"])
                arranged.append((*change.key, *lane, kind.value, due_at))
            case Withdraw():
                withdrawn.append(change.key)
            case None:
                pass
    if arranged:
        await driver.execute(ARRANGE, arranged)
    if withdrawn:
        await driver.execute(WITHDRAW, *_transposed(withdrawn))


async def _dead_letters(driver: Driver, changes: Sequence[Change]) -> None:
    buried, risen = [], []
    for change in changes:
        if change.state is State.DEAD and change.previous is not State.DEAD:
            error = change.error if isinstance(change.error, ProviderError) else ProviderError(code="dead", reason="")
            buried.append((*change.key, _storable(error.code), _storable(error.reason)))
        elif change.previous is State.DEAD and change.state is not State.DEAD:
            # Back in the queue only a person puts it; any other state is the provider's word, come late.
            risen.append((*change.key, "retried" if change.state is State.QUEUED else "resolved_by_provider"))
    if buried:
        await driver.execute(BURY, *_transposed(buried))
    if risen:
        await driver.execute(RESOLVE, *_transposed(risen))


def _storable(text: str | None) -> str | None:
    """PostgreSQL stores no NUL; a provider may say anything, and what came of an attempt must be written down."""
    return None if text is None else text.replace("\0", "\ufffd")


def _transposed(rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """Rows as one array per column, which is how `unnest` wants them."""
    return list(zip(*rows, strict=True))
