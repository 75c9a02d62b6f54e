"""Negative evidence: decides whether the lack of any receipt proves that the provider never accepted a send.

The proof rests on receipts for other messages: the same sender sent them later and the provider has reported on them,
while no stored webhook that could hold this message's echo is unprocessed.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.message_state import MessageState, Phase
from messaging.domain.messages.state import State
from messaging.domain.messages.unclear_sends import NOT_KNOWN
from messaging.domain.shared.unclear import OnUnknown


class Evidence(Struct, frozen=True, kw_only=True):
    """What the store knows of a sender's messages and webhooks since an attempt began.

    `later_receipts` counts messages accepted after that attempt which got a receipt; counting stops at the number that
    the rule asks for. `heard_until` is the time of the newest of their receipts, by the provider's clock. `unread` is
    true while webhooks are unprocessed or failed, `unmatched` while receipts match no attempt, `paused` while a person
    has switched the sender or its account off.
    """

    later_receipts: int
    heard_until: datetime | None
    unread: bool = False
    unmatched: bool = False
    paused: bool = False


class NegativeEvidenceRule(Struct, frozen=True, kw_only=True):
    """How much evidence is needed. `margin` covers the difference between the provider's clock and ours, and
    reordering.

    `settling` is how long after the margin the first usable receipts are expected to be stored. `waits` is the number
    of further looks, after the first that could find a proof, before a person is asked.
    """

    later_receipts: int = 20
    margin: timedelta = timedelta(minutes=5)
    settling: timedelta = timedelta(seconds=30)
    waits: int = 3

    def earliest(self, grace: timedelta) -> timedelta:
        """Time from the start of a send with unknown outcome to the first look for evidence that can find a proof.

        The echo may take the whole grace, and the newest receipt must be later than the send by at least the margin.
        """
        return max(grace, self.margin + min(self.settling, grace))


NEGATIVE_EVIDENCE_RULE = NegativeEvidenceRule()


def may_resend(message: MessageState, can: Capabilities = NOT_KNOWN) -> bool:
    """Whether evidence could lead to a resend: the tenant chose `resend`, the message was not resent before, and it has
    not expired.

    Silence is evidence only of a provider that would have echoed the reference. An answer with a 2xx status that could
    not be read is never treated as a refusal.
    """
    attempt = message.attempt
    return (
        can.echoes_reference
        and message.state is State.UNKNOWN
        and message.on_unknown is OnUnknown.RESEND
        and not message.possible_duplicate
        and (message.expires_at is None or message.expires_at > message.now)
        and attempt is not None
        and attempt.phase is Phase.UNKNOWN
        and attempt.started_at is not None
        and not (attempt.http_status is not None and 200 <= attempt.http_status < 300)
    )


def next_look(message: MessageState, *, grace: timedelta, rule: NegativeEvidenceRule) -> datetime | None:
    """When to look for evidence again; None after the last look, or where the message expires before a proof is
    possible.

    The first look comes as soon as a proof is possible (see `NegativeEvidenceRule.earliest`). The others follow one
    grace apart, or closer together where the message would expire first: a code that is valid for ten minutes is looked
    at every minute.
    """
    attempt = message.attempt
    if attempt is None or attempt.started_at is None:
        return None
    first = attempt.started_at + rule.earliest(grace)
    apart = grace
    if message.expires_at is not None:
        if message.expires_at <= max(first, message.now):
            return None
        apart = min(grace, (message.expires_at - first) / (rule.waits + 1))
    if message.now < first:
        return first
    return message.now + apart if message.now < first + apart * rule.waits else None


def lacking(message: MessageState, evidence: Evidence, *, grace: timedelta, rule: NegativeEvidenceRule) -> str | None:
    """A code for the first missing part of the proof; None when the proof is complete."""
    attempt = message.attempt
    if attempt is None or attempt.started_at is None or message.now < attempt.started_at + grace:
        return "too_early"
    if evidence.paused:
        return "sender_paused"
    if evidence.unread:
        return "webhooks_unread"
    if evidence.unmatched:
        return "receipts_unmatched"
    if evidence.later_receipts < rule.later_receipts:
        return "too_few_later_receipts"
    if evidence.heard_until is None or evidence.heard_until <= attempt.started_at + rule.margin:
        return "nothing_heard_lately"
    return None
