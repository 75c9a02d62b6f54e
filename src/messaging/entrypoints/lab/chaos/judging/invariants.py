"""The promises that must hold after every storm, each as a query that returns what breaks it, over all the evidence.

The numbers are those of the reliability page (docs/reliability.md). A query returns one row for each violation; its
columns are what a person needs to look further.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from messaging.entrypoints.lab.chaos.judging.figures import SAYS_NOTHING, UNEXPLAINED

_SHOWN: Final = 5
# Tolerance: statuses are as fine as the provider's clock, and a start is recorded by the database's clock, a receipt by
# the sandbox's.
_CLOCK_SECONDS: Final = 0.002

_UNFINISHED: Final = "('scheduled', 'queued', 'claimed', 'sending', 'unknown')"
_PROVIDER_HAS_IT: Final = "('submitted', 'sent', 'delivered', 'read', 'failed')"
# Number of times a person has sent message `m` again after it had failed (T23), which gives it another life.
_AGAIN: Final = """
(SELECT count(*) FROM events again JOIN events past ON past.message = again.message AND past.seq = again.seq - 1
 WHERE again.message = m.id AND again.type = 'message.requeued' AND past.state = 'failed')
"""
# A connection that was cut may still be used for a moment.
_STALE_SECONDS: Final = 1.0


class Invariant(Struct, frozen=True, kw_only=True):
    """`queries` return violations. `exercised` counts what there was to break, where a storm may have had none of it;
    `absent` names what the promise is about and does not exist yet.
    """

    id: str
    promise: str
    queries: tuple[str, ...] = ()
    exercised: str | None = None
    absent: str | None = None


class Judged(Struct, frozen=True, kw_only=True):
    """`violations` is None where nothing could be checked; `shown` are the first few."""

    id: str
    promise: str
    violations: int | None
    note: str = ""
    shown: tuple[str, ...] = ()


INVARIANTS: Final = (
    Invariant(
        id="I1",
        promise="no loss: every message answered with 202 is there and has come to an end",
        queries=(
            "SELECT a.message, 'no such message' FROM accepted a WHERE a.message NOT IN (SELECT id FROM messages)",
            f"SELECT id, state FROM messages WHERE state IN {_UNFINISHED}",
        ),
    ),
    Invariant(
        id="I2",
        promise="no duplicate: the provider accepted no message twice, but for those a person sent again",
        queries=(
            f"""
            SELECT l.message, count(*) FROM ledger l JOIN messages m ON m.id = l.message
            WHERE m.on_unknown = 'hold' GROUP BY l.message HAVING count(*) > 1 + {_AGAIN}
            """,
        ),
    ),
    Invariant(
        id="I2'",
        promise="sent again under the resend policy alone: once, flagged, after the grace of an unclear outcome",
        exercised="""
        SELECT count(*) FROM messages m WHERE m.possible_duplicate
          OR m.on_unknown = 'resend' AND 1 < (SELECT count(*) FROM ledger l WHERE l.message = m.id)
        """,
        queries=(
            f"""
            SELECT m.id, 'not asked for' FROM messages m
            WHERE m.on_unknown = 'hold' AND m.possible_duplicate AND NOT {_AGAIN}
            """,
            f"""
            SELECT l.message, count(*) FROM ledger l JOIN messages m ON m.id = l.message
            WHERE m.on_unknown = 'resend' GROUP BY l.message
            HAVING count(*) > 2 + {_AGAIN} OR (count(*) = 2 AND NOT m.possible_duplicate)
            """,
            f"""
            SELECT m.id, count(e.seq) FROM messages m
            LEFT JOIN events e ON e.message = m.id AND e.type = 'message.requeued'
            WHERE NOT {_AGAIN} GROUP BY m.id HAVING count(e.seq) <> m.possible_duplicate
            """,
            """
            SELECT e.message, p.state, e.at - a.started FROM events e
            JOIN events p ON p.message = e.message AND p.seq = e.seq - 1
            JOIN attempts a ON a.message = e.message AND a.opened < e.at CROSS JOIN terms
            WHERE e.type = 'message.requeued' AND p.state <> 'failed'
            GROUP BY e.message HAVING p.state <> 'unknown' OR e.at < max(a.started) + terms.echo_grace
            """,
        ),
    ),
    Invariant(
        id="I3",
        promise="truth upwards: what the provider has and told about, we report so, with its id and its last word",
        queries=(
            f"""
            SELECT l.message, m.state, l.echoes FROM ledger l JOIN messages m ON m.id = l.message
            WHERE l.echoes > 0 AND m.state NOT IN {_PROVIDER_HAS_IT}
            """,
            """
            SELECT l.message, a.wamid, l.wamid FROM ledger l
            JOIN attempts a ON a.message = l.message AND a.epoch = l.epoch
            WHERE l.echoes > 0 AND a.wamid IS NOT l.wamid
            """,
            """
            SELECT l.message, m.state, l.expected FROM ledger l
            JOIN messages m ON m.id = l.message JOIN ranks r ON r.state = m.state
            WHERE l.expected IS NOT NULL AND r.rank <> l.expected
            """,
        ),
    ),
    Invariant(
        id="I4",
        promise="truth downwards: what the provider does not have, we never report as taken",
        queries=(
            """
            SELECT id, state FROM messages
            WHERE id NOT IN (SELECT message FROM ledger WHERE message IS NOT NULL)
              AND state NOT IN ('failed', 'expired', 'cancelled', 'dead', 'unconfirmed')
            """,
        ),
    ),
    Invariant(
        id="I5",
        promise="no phantom: everything the provider accepted is a message that a client asked for",
        queries=(
            """
            SELECT l.n, l.message FROM ledger l LEFT JOIN messages m ON m.id = l.message
            WHERE m.id IS NULL OR m.reference NOT IN (SELECT reference FROM asked)
            """,
        ),
    ),
    Invariant(
        id="I6",
        promise="start before byte: each acceptance has an attempt that was marked as started before the request",
        queries=(
            f"""
            SELECT l.message, l.epoch, a.started, l.received FROM ledger l
            LEFT JOIN attempts a ON a.message = l.message AND a.epoch = l.epoch
            WHERE a.started IS NULL OR a.started > l.received + {_CLOCK_SECONDS}
            """,
        ),
    ),
    Invariant(
        id="I7",
        promise="one attempt at a time: attempts of a message are numbered without gaps and never overlap",
        queries=(
            "SELECT message, count(*) FROM attempts WHERE is_open GROUP BY message HAVING count(*) > 1",
            """
            SELECT m.id, m.epoch, count(a.epoch) FROM messages m LEFT JOIN attempts a ON a.message = m.id
            GROUP BY m.id HAVING count(a.epoch) <> m.epoch OR coalesce(max(a.epoch), 0) <> m.epoch
            """,
            """
            SELECT b.message, b.epoch FROM attempts b JOIN attempts a ON a.message = b.message AND a.epoch = b.epoch - 1
            WHERE a.finished IS NULL OR a.finished > b.opened
            """,
        ),
    ),
    Invariant(
        id="I8",
        promise="legal history: the events of a message are a path of the state table, without gaps, to where it is",
        queries=(
            """
            SELECT e.message, p.state, e.state FROM events e
            JOIN events p ON p.message = e.message AND p.seq = e.seq - 1
            WHERE p.state <> e.state AND NOT EXISTS (
                SELECT 1 FROM legal WHERE legal.source = p.state AND legal.target = e.state)
            """,
            """
            SELECT m.id, m.seq, count(e.seq) FROM messages m LEFT JOIN events e ON e.message = m.id
            GROUP BY m.id HAVING count(e.seq) <> m.seq OR max(e.seq) <> m.seq OR min(e.seq) <> 1
            """,
            """
            SELECT m.id, m.state, e.state FROM messages m JOIN events e ON e.message = m.id AND e.seq = m.seq
            WHERE e.state <> m.state
            """,
        ),
    ),
    Invariant(
        id="I9",
        promise="status never falls back, except from failed to delivered or read, which is the provider's correction,"
        " or to queued, where a person sends it again",
        queries=(
            """
            SELECT e.message, p.state, e.state FROM events e
            JOIN events p ON p.message = e.message AND p.seq = e.seq - 1
            JOIN ranks a ON a.state = p.state JOIN ranks b ON b.state = e.state
            WHERE a.rank > b.rank AND NOT (p.state = 'failed' AND e.type = 'message.requeued')
            """,
        ),
    ),
    Invariant(
        id="I10",
        promise="idempotency: a key has one effect, and every answer to it is the same to the byte",
        queries=(
            """
            SELECT key, count(DISTINCT digest) FROM answers WHERE status BETWEEN 200 AND 299
            GROUP BY key HAVING count(DISTINCT digest) > 1
            """,
            "SELECT reference, count(*) FROM messages GROUP BY tenant, reference HAVING count(*) > 1",
            """
            SELECT reference, count(DISTINCT message) FROM accepted
            GROUP BY reference HAVING count(DISTINCT message) > 1
            """,
            # A violation is half a batch stored, or a batch answered with a message that is not its own.
            """
            SELECT s.key, count(*), count(m.id) FROM asked s LEFT JOIN messages m ON m.reference = s.reference
            GROUP BY s.key HAVING count(m.id) NOT IN (0, count(*))
            """,
        ),
    ),
    Invariant(
        id="I11",
        promise="wakeups are irrelevant: nothing is still waiting after Redis was emptied and killed",
        exercised="SELECT count(*) FROM faults WHERE kind IN ('flush', 'kill_redis')",
        queries=(
            "SELECT subject, kind FROM dispatches WHERE kind NOT IN ('rematch', 'poll_status')",
            # The provider has these messages and has said nothing final; only these are polled every six hours.
            """
            SELECT d.subject, d.kind FROM dispatches d LEFT JOIN messages m ON m.id = d.subject
            WHERE d.kind = 'poll_status' AND COALESCE(m.state, '') NOT IN ('submitted', 'sent')
            """,
        ),
    ),
    Invariant(
        id="I12",
        promise="inbound: every webhook that was acknowledged is stored, once, processed, and had one effect",
        queries=(
            "SELECT DISTINCT digest, 'lost' FROM webhooks WHERE acked AND digest NOT IN (SELECT digest FROM raw)",
            "SELECT digest, count(*) FROM raw GROUP BY digest HAVING count(*) > 1",
            """
            SELECT 'mails that came back', taken, stored
            FROM (SELECT count(DISTINCT digest) AS taken FROM mails WHERE acked)
            CROSS JOIN (SELECT coalesce(sum(count), 0) AS stored FROM kept WHERE provider = 'smtp')
            WHERE stored < taken
            """,
            "SELECT digest, status, problem FROM raw WHERE status <> 'processed'",
            f"""
            SELECT e.message, e.type, count(*) FROM events e JOIN messages m ON m.id = e.message
            WHERE e.type LIKE 'receipt.%' AND e.moved
            GROUP BY e.message, e.type HAVING count(*) > 1 + {_AGAIN}
            """,
        ),
    ),
    Invariant(
        id="I14",
        promise="tenants stay apart: nothing of one tenant shows up at another, and no content in a log",
        queries=(
            """
            SELECT l.message, 'sent from the number of another tenant' FROM ledger l
            JOIN messages m ON m.id = l.message WHERE l.tenant IS NOT m.tenant
            """,
            "SELECT n, 'content of another tenant' FROM ledger WHERE foreign_canary",
            """
            SELECT m.id, 'reference of another tenant' FROM messages m
            JOIN asked s ON s.reference = m.reference WHERE s.tenant <> m.tenant
            """,
            """
            SELECT a.message, 'attempt of another tenant' FROM attempts a
            JOIN messages m ON m.id = a.message WHERE a.tenant <> m.tenant
            """,
            """
            SELECT e.message, 'event of another tenant' FROM events e
            JOIN messages m ON m.id = e.message WHERE e.tenant <> m.tenant
            """,
            "SELECT where_, 'holds content' FROM leaks",
        ),
    ),
    Invariant(id="I15", promise="audit: the chain of records verifies and is complete", absent="the audit chain"),
    Invariant(
        id="I16",
        promise="unknowns are bounded: each unconfirmed message has a fault that concerned its attempt while it ran",
        queries=(
            f"""
            WITH unclear AS (
                SELECT m.id, a.code, p.name, p.pid, a.started, coalesce(
                    (SELECT min(e.at) FROM events e
                     WHERE e.message = m.id AND e.state = 'unknown' AND e.at >= a.started), a.started) AS ended
                {UNEXPLAINED}
                JOIN attempts a ON a.message = m.id AND a.epoch = m.epoch
                LEFT JOIN processes p ON a.worker LIKE '%-' || p.pid
            )
            SELECT u.id, u.code, u.name, u.pid, u.started, u.ended FROM unclear u
            WHERE NOT EXISTS (
                SELECT 1 FROM faults f
                WHERE f.began < u.ended AND f.ended > u.started - {_STALE_SECONDS} AND (
                    f.pid = u.pid
                    OR f.kind = 'stop_database'
                    OR (f.kind = 'kill' AND f.target = 'sandbox')
                    OR f.target IN (u.name || '→sandbox', u.name || '→mail', u.name || '→postgres')
                    OR (f.kind = 'provider' AND f.hit AND f.target IN {SAYS_NOTHING})))
            """,
        ),
    ),
    Invariant(
        id="I17",
        promise="at rest nothing is held: transactions, leases, connections, files, memory",
        queries=(
            "SELECT what, value, allowed FROM rest WHERE value > allowed",
            "SELECT message, phase FROM attempts WHERE phase IN ('claimed', 'started')",
        ),
    ),
    Invariant(
        id="I18",
        promise="no surprises: no process logged an error with a traceback, whatever was done to it",
        queries=("SELECT where_, what, error FROM surprises",),
    ),
)


def judge(database: sqlite3.Connection, invariants: Sequence[Invariant] = INVARIANTS) -> list[Judged]:
    return [_judge(database, invariant) for invariant in invariants]


def _judge(database: sqlite3.Connection, invariant: Invariant) -> Judged:
    note = ""
    if invariant.absent is not None:
        note = f"not built yet: {invariant.absent}"
    elif invariant.exercised is not None and not database.execute(invariant.exercised).fetchone()[0]:
        note = "not exercised"
    if note:
        return Judged(id=invariant.id, promise=invariant.promise, violations=None, note=note)
    broken = [row for query in invariant.queries for row in database.execute(query)]
    shown = tuple(" ".join(map(str, row)) for row in broken[:_SHOWN])
    return Judged(id=invariant.id, promise=invariant.promise, violations=len(broken), shown=shown)
