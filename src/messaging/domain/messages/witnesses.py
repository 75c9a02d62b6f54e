"""Does silence about a send prove that the provider never had it?

It can only be told from what was heard of others: sends of the same sender that began later and of which the provider
has spoken since, while nothing that could hold this one's echo lies unread.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from messaging.domain.messages.message import OnUnknown
from messaging.domain.messages.standing import Phase, Standing
from messaging.domain.messages.state import State


class Evidence(Struct, frozen=True, kw_only=True):
    """What the store knows about a sender since an attempt began.

    `witnesses` counts messages accepted after that which got a receipt, as far as the rule asks; `heard_until` is the
    newest of their receipts, by the provider's clock. `unread` tells of callbacks that pile up or were set aside,
    `unmatched` of receipts nobody could place, `paused` that a person has switched the sender or its account off.
    """

    witnesses: int
    heard_until: datetime | None
    unread: bool = False
    unmatched: bool = False
    paused: bool = False


class WitnessRule(Struct, frozen=True, kw_only=True):
    """How much it takes. `margin` covers what the provider's clock may differ from ours and what overtakes what.

    `waits` is how many graces more, after the first, a message waits for evidence before a person is asked.
    """

    witnesses: int = 20
    margin: timedelta = timedelta(minutes=5)
    waits: int = 3


WITNESS_RULE = WitnessRule()


def may_resend(standing: Standing) -> bool:
    """Whether evidence could lead to a resend: the customer wants it, it is the first, and it would not be too late.

    An answer that began like a success (2xx) but could not be read is never taken for a refusal.
    """
    attempt = standing.attempt
    return (
        standing.state is State.UNKNOWN
        and standing.on_unknown is OnUnknown.RESEND
        and not standing.possible_duplicate
        and (standing.expires_at is None or standing.expires_at > standing.now)
        and attempt is not None
        and attempt.phase is Phase.UNKNOWN
        and attempt.started_at is not None
        and not (attempt.http_status is not None and 200 <= attempt.http_status < 300)
    )


def lacking(standing: Standing, evidence: Evidence, *, grace: timedelta, rule: WitnessRule) -> str | None:
    """The first thing that is missing for a proof, as a code; None when it is complete."""
    attempt = standing.attempt
    if attempt is None or attempt.started_at is None or standing.now < attempt.started_at + grace:
        return "too_early"
    if evidence.paused:
        return "sender_paused"
    if evidence.unread:
        return "callbacks_unread"
    if evidence.unmatched:
        return "receipts_unmatched"
    if evidence.witnesses < rule.witnesses:
        return "too_few_witnesses"
    if evidence.heard_until is None or evidence.heard_until <= attempt.started_at + rule.margin:
        return "nothing_heard_lately"
    return None
