"""The promises to those who listen, judged by the logs of the receivers themselves.

`expected` is what each receiver had to be told: every event about messages of the sender that its endpoint filters for.
"""

from typing import Final

from messaging.entrypoints.lab.chaos.judging.invariants import Invariant

_EXERCISED: Final = "SELECT count(*) FROM requests"
_TAKEN: Final = "status BETWEEN 200 AND 299"
_EXPECTED: Final = """
expected AS (
    SELECT r.receiver, r.endpoint, t.event, t.message, t.sequence, t.type FROM receivers r
    JOIN of_senders s ON s.tenant = r.tenant AND s.sender = r.sender
    JOIN told t ON t.message = s.message
)"""
# States that an event tells of; messages pass others for moments only.
_PUBLIC: Final = "('submitted', 'sent', 'delivered', 'read', 'failed', 'expired', 'cancelled', 'unconfirmed', 'dead')"
# Faults by which the process that posts, or what it knows, may have gone in the middle of an exchange.
_LOSING: Final = """
(f.target LIKE 'callbacks%' OR f.kind = 'stop_database')"""
# Seconds that a lease may last: a callback that was under way comes again when it is over.
_LEASE: Final = 20.0

CALLBACK_INVARIANTS: Final = (
    Invariant(
        id="C1",
        promise="told: every event came to exactly one end at every endpoint that listens, and its receiver took it",
        exercised=_EXERCISED,
        queries=(
            "SELECT what, count FROM untold WHERE count > 0",
            f"""
            WITH {_EXPECTED}
            SELECT x.receiver, x.event, x.type, count(e.event) FROM expected x
            LEFT JOIN ends e ON e.endpoint = x.endpoint AND e.event = x.event
            GROUP BY x.receiver, x.event HAVING count(e.event) <> 1
            """,
            f"""
            WITH {_EXPECTED}
            SELECT x.receiver, x.event, x.type, 'never taken' FROM expected x
            WHERE NOT EXISTS (SELECT 1 FROM requests q
                              WHERE q.receiver = x.receiver AND q.event = x.event AND q.{_TAKEN})
            """,
            f"""
            SELECT r.receiver, s.message, s.state, 'no event' FROM receivers r
            JOIN of_senders s ON s.tenant = r.tenant AND s.sender = r.sender AND s.state IN {_PUBLIC}
            WHERE NOT EXISTS (SELECT 1 FROM requests q WHERE q.receiver = r.receiver AND q.key = s.message
                              AND q.type = 'message.' || s.state AND q.{_TAKEN})
            """,
            f"""
            WITH {_EXPECTED}
            SELECT q.receiver, q.event, q.type, 'not for this endpoint' FROM requests q
            WHERE q.type LIKE 'message.%'
              AND NOT EXISTS (SELECT 1 FROM expected x WHERE x.receiver = q.receiver AND x.event = q.event)
            """,
        ),
    ),
    Invariant(
        id="C2",
        promise="one at a time: no two requests about one message are ever under way to one receiver",
        exercised=_EXERCISED,
        queries=(
            """
            SELECT a.receiver, a.key, a.sequence, b.sequence, a.ended - b.began FROM requests a
            JOIN requests b ON b.receiver = a.receiver AND b.key = a.key AND b.rowid <> a.rowid
            WHERE b.began BETWEEN a.began AND a.ended AND (b.began < a.ended)
            """,
        ),
    ),
    Invariant(
        id="C3",
        promise="in order: what a receiver took first about one message ascends in its sequence",
        exercised=_EXERCISED,
        queries=(
            f"""
            WITH taken AS (
                SELECT receiver, key, event, sequence, min(ended) AS at FROM requests WHERE {_TAKEN}
                GROUP BY receiver, key, event
            )
            SELECT a.receiver, a.key, a.sequence, b.sequence FROM taken a
            JOIN taken b ON b.receiver = a.receiver AND b.key = a.key AND b.sequence > a.sequence AND b.at < a.at
            """,
            # A follower is not even tried before its predecessor has come to an end.
            f"""
            SELECT b.receiver, b.key, a.sequence, b.sequence, 'tried early' FROM requests a
            JOIN requests b ON b.receiver = a.receiver AND b.key = a.key AND b.sequence > a.sequence
            WHERE b.began < (SELECT min(t.ended) FROM requests t
                             WHERE t.receiver = a.receiver AND t.event = a.event AND t.{_TAKEN})
            GROUP BY b.receiver, b.event, a.event
            """,
        ),
    ),
    Invariant(
        id="C4",
        promise="the same each time: a webhook-id has one body, to the byte, and every request is signed",
        exercised=_EXERCISED,
        queries=(
            "SELECT event, count(DISTINCT digest) FROM requests GROUP BY event HAVING count(DISTINCT digest) > 1",
            "SELECT receiver, event, attempt, 'not signed' FROM requests WHERE NOT signed",
        ),
    ),
    Invariant(
        id="C5",
        promise="on record: every request was on record before it came",
        exercised=_EXERCISED,
        queries=(
            """
            SELECT q.receiver, q.event, q.attempt, 'not on record' FROM requests q
            JOIN receivers r ON r.receiver = q.receiver
            WHERE q.type LIKE 'message.%' AND NOT EXISTS (
                SELECT 1 FROM tries t WHERE t.endpoint = r.endpoint AND t.event = q.event AND t.n = q.attempt
                                        AND t.started <= q.began)
            """,
        ),
    ),
    Invariant(
        id="C6",
        promise="again only for cause: what a receiver took comes again only if a fault met whoever posts",
        exercised=_EXERCISED,
        queries=(
            f"""
            WITH again AS (
                SELECT b.receiver, b.event, b.began, max(a.began) AS before FROM requests a
                JOIN requests b ON b.receiver = a.receiver AND b.event = a.event AND b.began > a.began
                WHERE a.{_TAKEN}
                GROUP BY b.receiver, b.event, b.began
            )
            SELECT g.receiver, g.event, g.before, g.began FROM again g
            WHERE NOT EXISTS (SELECT 1 FROM faults f WHERE {_LOSING} AND f.began < g.began
                                                       AND f.ended > g.before - {_LEASE})
            """,
        ),
    ),
)
