"""Counts the outcomes of a storm: the numbers beside the verdict."""

import sqlite3
from typing import Final

from msgspec import Struct

from messaging.entrypoints.lab.chaos.storm.recipients import NEVER_ACCEPTED, magic_tail

_SCRIPTED: Final = ", ".join(f"'{magic_tail(digits)}'" for digits in NEVER_ACCEPTED)
# Messages that ended unconfirmed although the recipient's script did not ask for it.
UNEXPLAINED: Final = f"""
FROM messages m JOIN asked s ON s.reference = m.reference
AND m.state = 'unconfirmed' AND s.tail NOT IN ({_SCRIPTED})
AND m.id NOT IN (SELECT message FROM ledger WHERE message IS NOT NULL)
"""
# Answers of a provider that did not take the message, which leave open whether it did.
SAYS_NOTHING: Final = "('503', '500_before', 'reset_before', 'hang_before')"
_ATTEMPT: Final = "JOIN attempts a ON a.message = m.id AND a.epoch = m.epoch"
# An answer that says nothing is the provider's; silence is, if it was told to be silent just then.
_PROVIDERS_OWN: Final = f"""
a.code IS NOT NULL AND EXISTS (
    SELECT 1 FROM faults f WHERE f.kind = 'provider' AND f.hit AND f.target IN {SAYS_NOTHING}
    AND f.began < a.started + 1 AND f.ended > a.started - 1)
"""


class Figures(Struct, frozen=True, kw_only=True):
    """`providers` are the entries of the ledger by provider.

    `unconfirmed_scripted` went to recipients whose provider never accepts and never says so; `unconfirmed_heard` are
    in the ledger although nobody ever told us of them with our reference (their statuses were lost, never sent, or came
    without it). Of the `unconfirmed_others`, `unconfirmed_silent` are those the provider was told to swallow, and
    `unconfirmed_lost` those about which no process lived to write down what became of the send.
    """

    accepted: int
    messages: int
    ledger: int
    providers: dict[str, int]
    states: dict[str, int]
    unconfirmed: int
    unconfirmed_scripted: int
    unconfirmed_heard: int
    unconfirmed_others: int
    unconfirmed_silent: int
    unconfirmed_lost: int
    resent: int
    accepted_twice: int
    webhooks_acked: int


def figures(database: sqlite3.Connection) -> Figures:
    def count(query: str) -> int:
        found: int = database.execute(query).fetchone()[0]
        return found

    unconfirmed = "FROM messages m JOIN asked s ON s.reference = m.reference WHERE m.state = 'unconfirmed'"
    heard = "m.id IN (SELECT message FROM ledger WHERE message IS NOT NULL)"
    scripted = f"s.tail IN ({_SCRIPTED})"
    return Figures(
        accepted=count("SELECT count(DISTINCT message) FROM accepted"),
        messages=count("SELECT count(*) FROM messages"),
        ledger=count("SELECT count(*) FROM ledger"),
        providers=dict(database.execute("SELECT provider, count(*) FROM providers GROUP BY 1 ORDER BY 2 DESC")),
        states=dict(database.execute("SELECT state, count(*) FROM messages GROUP BY state ORDER BY 2 DESC")),
        unconfirmed=count(f"SELECT count(*) {unconfirmed}"),
        unconfirmed_scripted=count(f"SELECT count(*) {unconfirmed} AND {scripted}"),
        unconfirmed_heard=count(f"SELECT count(*) {unconfirmed} AND NOT {scripted} AND {heard}"),
        unconfirmed_others=count(f"SELECT count(*) {UNEXPLAINED}"),
        unconfirmed_silent=count(f"SELECT count(*) {UNEXPLAINED} {_ATTEMPT} WHERE {_PROVIDERS_OWN}"),
        unconfirmed_lost=count(f"SELECT count(*) {UNEXPLAINED} {_ATTEMPT} WHERE a.code IS NULL"),
        resent=count("SELECT count(*) FROM events WHERE type = 'message.requeued'"),
        accepted_twice=count("SELECT count(*) FROM (SELECT 1 FROM ledger GROUP BY message HAVING count(*) > 1)"),
        webhooks_acked=count("SELECT count(*) FROM webhooks WHERE acked"),
    )
