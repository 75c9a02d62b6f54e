"""Decides what each look at a send with an unclear outcome changes; `unclear_sends` decides which look comes when."""

from datetime import timedelta

from msgspec import UNSET

from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages import retry
from messaging.domain.messages.change import Change, Detail, Schedule, Unschedule
from messaging.domain.messages.change_builder import ChangeBuilder, EchoGrace, closing
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.message_state import DispatchKind, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.state import Signal, State
from messaging.domain.messages.transitions import negative_evidence
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.messages.transitions.status_polling import Asked
from messaging.domain.messages.unclear_sends import (
    NOT_KNOWN,
    Look,
    Recourse,
    after_all_looks,
    last_look,
    next_look,
    recourse,
)


def resolve_unknown(
    message: MessageState,
    evidence: negative_evidence.Evidence | None = None,
    *,
    grace: EchoGrace = ECHO_GRACE,
    rule: negative_evidence.NegativeEvidenceRule = negative_evidence.NEGATIVE_EVIDENCE_RULE,
    can: Capabilities = NOT_KNOWN,
) -> Change | None:
    """Decide about a message of which nothing was learnt. None when the message has moved on.

    T14: a person decides. T13, where a resend is chosen and allowed (see `may_resend`): send again if `evidence` proves
    that the provider never accepted it; while the proof is incomplete, wait for a limited number of looks.
    """
    if message.state is not State.UNKNOWN:
        return None
    builder = ChangeBuilder(message, grace, can=can)
    wait = grace[message.channel, message.category]
    detail: Detail = {"attempt": message.epoch}
    if (look := last_look(message, can, grace=wait)) is not None:
        # Its request may not be repeated any more, and its echo may still come.
        return _wait(builder, "message.waiting", detail, look)
    if evidence is not None and negative_evidence.may_resend(message, can):
        missing = negative_evidence.lacking(message, evidence, grace=wait, rule=rule)
        if missing is None:
            return _resend(builder, evidence)
        detail["no_resend"] = missing
        if (due_at := negative_evidence.next_look(message, grace=wait, rule=rule)) is not None:
            return _wait(builder, "message.waiting", detail, Look(at=due_at))
    return _ask_a_person(builder, detail)


def note_asked(
    message: MessageState, *, asked: Asked, can: Capabilities, grace: EchoGrace = ECHO_GRACE
) -> Change | None:
    """Record that the provider was asked for the message and did not find it. None when the message has moved on.

    That is no proof that the provider lacks the message: it is asked again until the end of the grace, and then a
    person decides, or the evidence does, where a resend is chosen.
    """
    if message.state is not State.UNKNOWN:
        return None
    builder = ChangeBuilder(message, grace, can=can)
    done = message.checks + 1
    detail: Detail = {"attempt": message.epoch, "look": done, "asked": asked}
    look = next_look(message, can, grace=grace[message.channel, message.category], done=done)
    if look is None and asked is Asked.YES and negative_evidence.may_resend(message, can):
        look = Look(at=message.now, done=after_all_looks(message))
    if look is not None:
        return _wait(builder, "message.asked", detail, look)
    builder.note("message.asked", detail)
    return _ask_a_person(builder, {"attempt": message.epoch})


def begin_repeat(
    message: MessageState, *, can: Capabilities, lease: timedelta, grace: EchoGrace = ECHO_GRACE
) -> Change | None:
    """Record that the attempt's request is about to be repeated with its key. None when it may not be.

    The change must be durable before the first byte. From then on a refusal of the first request, which may still come
    from a worker or from its journal, does not lead to another attempt: that would have another key.
    """
    wait = grace[message.channel, message.category]
    if message.state is not State.UNKNOWN or recourse(message, can, grace=wait) is not Recourse.REPEAT:
        return None
    repeat = message.checks + 1
    look = Look(at=message.now + lease, done=repeat)
    return _wait(
        ChangeBuilder(message, can=can), "attempt.repeated", {"attempt": message.epoch, "repeat": repeat}, look
    )


def conclude_repeat(
    message: MessageState,
    *,
    epoch: int,
    result: retry.SendResult,
    can: Capabilities,
    grace: EchoGrace = ECHO_GRACE,
    check_every: timedelta | None = None,
) -> Change:
    """Record the answer to a repeated request. Acceptance settles the attempt; a failure does not.

    A refusal tells nothing about the first request, because a provider may refuse before it looks at the key. After one
    for good the request is not repeated again.
    """
    if isinstance(result, retry.Sent):
        return conclude(message, epoch=epoch, result=result, grace=grace, check_every=check_every, can=can)
    builder = ChangeBuilder(message, grace, can=can)
    detail: Detail = {"attempt": epoch, "code": result.code, "reason": result.reason, "http_status": result.http_status}
    if message.state is not State.UNKNOWN or message.epoch != epoch:
        builder.note("attempt.late_result", detail)
        return builder.change(dispatch=None)
    wait = grace[message.channel, message.category]
    if isinstance(result, retry.Rejected):
        look = last_look(message, can, grace=wait)
    else:
        look = next_look(message, can, grace=wait, done=message.checks)
    if look is None:
        builder.note("attempt.repeat_failed", detail)
        return _ask_a_person(builder, {"attempt": epoch}, ProviderError(code=result.code, reason=result.reason))
    told = getattr(result, "retry_after", None) or timedelta(0)
    return _wait(builder, "attempt.repeat_failed", detail, Look(at=max(look.at, message.now + told), done=look.done))


def _wait(builder: ChangeBuilder, type_: str, detail: Detail, look: Look) -> Change:
    builder.note(type_, detail)
    return builder.change(checks=look.done, dispatch=Schedule(kind=DispatchKind.RESOLVE_UNKNOWN, due_at=look.at))


def _ask_a_person(builder: ChangeBuilder, detail: Detail, error: ProviderError | None = None) -> Change:
    builder.signal(Signal.LEAVE_UNCONFIRMED, "message.unconfirmed", detail)
    return builder.change(dispatch=Unschedule(), error=error or UNSET)


def _resend(builder: ChangeBuilder, evidence: negative_evidence.Evidence) -> Change:
    """Send the message again, at most once: `may_resend` is false once `possible_duplicate` is set."""
    message = builder.message
    detail: Detail = {"by": "on_unknown", "possible_duplicate": "true", "later_receipts": evidence.later_receipts}
    builder.signal(Signal.RESEND, "message.requeued", detail)
    return builder.change(
        error=None,
        possible_duplicate=True,
        attempt=closing(message, Phase.CLOSED, Outcome.PRESUMED_ABSENT),
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=message.now),
    )
