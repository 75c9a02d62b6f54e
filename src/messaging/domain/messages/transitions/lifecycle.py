"""Decides a message's next step: from its locked state and one event (due, receipt, person) to the change to write.

Every function is pure: it takes a `MessageState` read under lock and returns a `Change`, or None when there is nothing
to write. The store writes changes in bulk and decides nothing. `MessageState.now` is the database's clock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from messaging.domain.messages.change import (
    AttemptChange,
    AttemptOpened,
    AttemptUpdated,
    Change,
    Detail,
    Schedule,
    Unschedule,
)
from messaging.domain.messages.change_builder import (
    ChangeBuilder,
    EchoGrace,
    IllegalSignal,
    await_news,
    close_overtaken,
    closing,
    end_dead,
    end_expired,
    lose_track,
)
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.message_state import (
    PROVEN_NOT_ACCEPTED,
    DispatchKind,
    LastAttempt,
    MessageState,
    Outcome,
    Phase,
)
from messaging.domain.messages.receipts import SEALED_RECIPIENT, ProviderError, Receipt, ReceiptKind
from messaging.domain.messages.state import TERMINAL, Signal, State
from messaging.domain.messages.transitions import negative_evidence
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.shared.errors import DomainError

__all__ = [
    "EchoGrace",
    "IllegalSignal",
    "cancel",
    "conclude",
    "dead_letter",
    "expire",
    "is_settled",
    "is_suspect",
    "receive",
    "release",
    "requeue",
    "resolve",
    "resolve_unknown",
    "start",
    "take_up",
]

# A message that costs its worker the lease this often without a byte sent is poison.
MAX_CLAIM_FAILURES = 3
# Longer than any call to a provider may take.
LONGEST_SEND = timedelta(minutes=2)


def take_up(message: MessageState, *, worker: str, lease: timedelta, grace: EchoGrace = ECHO_GRACE) -> Change | None:
    """A due `deliver` dispatch: claim the message, or do what its state asks for instead.

    The dispatch of a claimed message falls due again when its lease ends, so finding one `claimed` or `sending` here
    means that its worker is gone: it goes back to the queue (T6) or waits for its echo (T11). Suspects (see
    `is_suspect`) must be claimed alone. Returns None only when the dispatch is stale and must be withdrawn as is.
    """
    if message.state not in (State.SCHEDULED, State.QUEUED):
        return give_up(message, grace=grace)
    builder = ChangeBuilder(message, grace)
    return end_expired(builder) if _expired(message) else _claim(builder, worker, lease)


def give_up(message: MessageState, *, grace: EchoGrace = ECHO_GRACE) -> Change | None:
    """T6 and T11 for a message whose dispatch is due although a worker holds it; None if none does."""
    match message.state:
        case State.CLAIMED:
            return _claim_lost(ChangeBuilder(message, grace))
        case State.SENDING:
            return _worker_lost(ChangeBuilder(message, grace))
        case _:
            return None


def _expired(message: MessageState) -> bool:
    return message.expires_at is not None and message.expires_at <= message.now


def expire(message: MessageState) -> Change | None:
    """T4 for a message that nobody claims at present; None if it has moved or is still valid."""
    waits = message.state in (State.SCHEDULED, State.QUEUED)
    return end_expired(ChangeBuilder(message)) if waits and _expired(message) else None


def is_suspect(message: MessageState) -> bool:
    """Whether it may be what its last worker died of: then it must be claimed alone, never among others.

    A lost batch cannot tell which of its messages it was lost to, so every one of them is noted a failure. Claimed
    together again, the innocent would collect as many failures as the poisonous one, and be buried with it. Alone, a
    second failure is its own.
    """
    return message.claim_failures > 0 and message.state in (State.SCHEDULED, State.QUEUED)


def _claim(builder: ChangeBuilder, worker: str, lease: timedelta) -> Change:
    message = builder.message
    epoch = message.epoch + 1
    builder.signal(Signal.DUE, "message.queued")
    builder.signal(Signal.CLAIM, "attempt.claimed", {"attempt": epoch, "worker": worker})
    return builder.change(
        epoch=epoch,
        attempt=(
            AttemptOpened(epoch=epoch, lease_owner=worker, lease=lease, possible_duplicate=message.possible_duplicate),
        ),
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=message.now + lease),
    )


def _claim_lost(builder: ChangeBuilder) -> Change:
    message = builder.message
    failures = message.claim_failures + 1
    closed = closing(message, Phase.CLOSED, Outcome.NOT_SENT)
    builder.signal(Signal.NOT_SENT, "attempt.lease_ended", {"attempt": message.epoch, "claim_failures": failures})
    if failures >= MAX_CLAIM_FAILURES:
        reason = f"Its worker was lost {failures} times while holding it, before anything was sent."
        return end_dead(builder, ProviderError(code="poison", reason=reason), closed, claim_failures=failures)
    if _expired(message):
        return replace(end_expired(builder), attempt=closed, claim_failures=failures)
    # Due at once, as a suspect.
    return builder.change(
        attempt=closed,
        claim_failures=failures,
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=message.now),
    )


def release(message: MessageState, *, epoch: int, reason: str, due_at: datetime) -> Change | None:
    """Give a claim back unstamped (drain, no rate-limit token, content not readable now); uses up nothing."""
    if message.epoch != epoch or message.state is not State.CLAIMED:
        return None
    builder = ChangeBuilder(message)
    builder.signal(Signal.NOT_SENT, "attempt.released", {"attempt": epoch, "reason": reason})
    return builder.change(
        attempt=closing(message, Phase.CLOSED, Outcome.NOT_SENT),
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=due_at),
    )


def start(message: MessageState, *, epoch: int, worker: str, lease: timedelta) -> Change | None:
    """T7, the point of no return; None means the fence is lost and not a byte may leave.

    The change must be durable before the first byte. It prolongs the take-over to cover the request's whole time. A
    message that came this far did its worker no harm: it is not suspected any more.
    """
    attempt = message.attempt
    if attempt is None or attempt.epoch != epoch or attempt.phase is not Phase.CLAIMED:
        return None
    if attempt.lease_owner != worker or not attempt.lease_live or message.state is not State.CLAIMED:
        return None
    if _expired(message):
        # Given back, it is due at once and found expired: an OTP never leaves after its validity.
        return None
    builder = ChangeBuilder(message)
    builder.signal(Signal.START, "attempt.started", {"attempt": epoch, "worker": worker})
    return builder.change(
        claim_failures=0,
        attempt=(AttemptUpdated(epoch=epoch, phase=Phase.STARTED),),
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=message.now + lease),
    )


def _worker_lost(builder: ChangeBuilder) -> Change:
    message = builder.message
    error = ProviderError(code="worker_lost", reason="Its worker was lost after the request may have begun.")
    detail: Detail = {"attempt": message.epoch, "code": error.code, "reason": error.reason}
    return lose_track(builder, closing(message, Phase.UNKNOWN, Outcome.UNKNOWN), error, detail)


def dead_letter(message: MessageState, *, epoch: int, error: ProviderError) -> Change | None:
    """T19 for a claim whose content cannot be rendered: no try could ever work."""
    if message.epoch != epoch or message.state is not State.CLAIMED:
        return None
    return end_dead(ChangeBuilder(message), error, closing(message, Phase.CLOSED, Outcome.NOT_SENT))


# --- receipts, people, patience -------------------------------------------------------------------------------------


def receive(
    message: MessageState,
    receipts: Sequence[tuple[int | None, Receipt]],
    *,
    check_every: timedelta | None = None,
    failed_attempt: int = 0,
) -> Change:
    """Fold receipts, each with the epoch of its attempt where that is known, into one change.

    Every receipt becomes a timeline entry, also the late and repeated ones. Any receipt proves that its attempt was
    accepted, so an attempt left `started` or `unknown` is closed, and nothing waits any more but, after `sent`, the
    next check of the provider's silence.

    Attempts up to `failed_attempt` had failed when a person sent the message again (T23): whether they were accepted or
    failed is known, and only that they were delivered or read after all is news.
    """
    builder = ChangeBuilder(message, check_every=check_every)
    error: ProviderError | UnsetType | None = UNSET
    for epoch, receipt in receipts:
        stale = _is_stale(epoch, receipt, failed_attempt)
        detail = {"attempt": epoch} | _told(receipt)
        moved = not stale and builder.signal(
            receipt.kind.signal, f"receipt.{receipt.kind}", detail, receipt.occurred_at
        )
        if not moved:
            builder.note(f"receipt.{receipt.kind}", detail | {"effect": "none"}, receipt.occurred_at)
        elif receipt.kind is ReceiptKind.FAILED:
            error = receipt.error or ProviderError(code="failed", reason="The provider gave no reason.")
        else:
            error = None
    dispatch, checks = await_news(builder)
    news = [(epoch, receipt) for epoch, receipt in receipts if not _is_stale(epoch, receipt, failed_attempt)]
    return builder.change(
        attempt=_proven(message, news),
        attempts=builder.counted(),
        checks=checks,
        error=error,
        dispatch=dispatch,
    )


def _told(receipt: Receipt) -> Detail:
    """What a receipt tells besides its kind."""
    detail: Detail = {"provider_message_id": receipt.provider_message_id, **dict(receipt.facts)}
    if receipt.error is not None:
        detail |= {"code": receipt.error.code, "reason": receipt.error.reason}
    if receipt.sealed_recipient is not None:
        detail[SEALED_RECIPIENT] = receipt.sealed_recipient
    return detail


def _is_stale(epoch: int | None, receipt: Receipt, failed_attempt: int) -> bool:
    return epoch is not None and epoch <= failed_attempt and receipt.kind in (ReceiptKind.SENT, ReceiptKind.FAILED)


def _proven(message: MessageState, receipts: Sequence[tuple[int | None, Receipt]]) -> tuple[AttemptChange, ...]:
    """Attempts that these receipts prove accepted and that we did not know as such yet."""
    learnt = {epoch: receipt.provider_message_id for epoch, receipt in receipts if epoch is not None}
    last = message.attempt
    if last is not None and last.outcome is Outcome.ACCEPTED and last.provider_message_id is not None:
        learnt.pop(last.epoch, None)
    if not learnt:
        return ()
    proven = (
        AttemptUpdated(epoch=epoch, phase=Phase.CLOSED, outcome=Outcome.ACCEPTED, provider_message_id=provider_id)
        for epoch, provider_id in sorted(learnt.items())
    )
    return (*close_overtaken(message, max(learnt)), *proven)


def resolve_unknown(
    message: MessageState,
    evidence: negative_evidence.Evidence | None = None,
    *,
    grace: EchoGrace = ECHO_GRACE,
    rule: negative_evidence.NegativeEvidenceRule = negative_evidence.NEGATIVE_EVIDENCE_RULE,
) -> Change | None:
    """The echo did not come within the grace. None when news came first.

    T14: a person decides. Where the customer chose `resend` and may still have it (see `may_resend`), T13: it is sent
    again if `evidence` says that the provider never had it, and waits on for a while as long as it does not say so.
    """
    if message.state is not State.UNKNOWN:
        return None
    builder = ChangeBuilder(message, grace)
    detail: Detail = {"attempt": message.epoch}
    if evidence is not None and negative_evidence.may_resend(message):
        missing = negative_evidence.lacking(message, evidence, grace=grace[message.category], rule=rule)
        if missing is None:
            return _resend(builder, evidence)
        detail["no_resend"] = missing
        if (due_at := negative_evidence.next_look(message, grace=grace[message.category], rule=rule)) is not None:
            builder.note("message.waiting", detail)
            return builder.change(dispatch=Schedule(kind=DispatchKind.STOP_WAITING, due_at=due_at))
    builder.signal(Signal.STOP_WAITING, "message.unconfirmed", detail)
    return builder.change(dispatch=Unschedule())


def _resend(builder: ChangeBuilder, evidence: negative_evidence.Evidence) -> Change:
    """Once in a message's life: the mark it leaves is what `may_resend` asks for."""
    message = builder.message
    detail: Detail = {"by": "on_unknown", "possible_duplicate": "true", "later_receipts": evidence.later_receipts}
    builder.signal(Signal.RESEND, "message.requeued", detail)
    return builder.change(
        error=None,
        possible_duplicate=True,
        attempt=closing(message, Phase.CLOSED, Outcome.PRESUMED_ABSENT),
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=message.now),
    )


def cancel(message: MessageState, *, by: str) -> Change:
    """T5. Raises `IllegalSignal` once a worker has claimed the message."""
    builder = ChangeBuilder(message)
    builder.signal(Signal.CANCEL, "message.cancelled", {"by": by})
    return builder.change(dispatch=Unschedule())


def requeue(message: MessageState, *, by: str, possible_duplicate: bool = False, reason: str | None = None) -> Change:
    """T15/T20/T23: a person sends it again, for a reason where one was asked for. Counters start afresh.

    Raises DomainError: `duplicate_risk` unless the last attempt is proven not accepted, or the caller accepts the risk;
    `state_conflict` while a request of it may still be under way.
    """
    proven = _is_proven_absent(message)
    builder = ChangeBuilder(message)
    detail: Detail = {"by": by, "possible_duplicate": str(possible_duplicate).lower()}
    if reason is not None:
        detail["reason"] = reason
    if message.state is State.FAILED and message.attempt is not None and not proven:
        detail |= _failed_after_acceptance(message.attempt)
    builder.signal(Signal.OPERATOR_REQUEUE, "message.requeued", detail)
    if _is_under_way(message):
        raise DomainError("state_conflict", "A request of this message may still be under way. Try again in a minute.")
    if not proven and not possible_duplicate:
        raise DomainError(
            "duplicate_risk",
            "The provider may already have this message. Send possible_duplicate: true to send it again all the same.",
        )
    return builder.change(
        attempts=0,
        checks=0,
        claim_failures=0,
        error=None,
        possible_duplicate=message.possible_duplicate or not proven,
        attempt=_presumed_absent(message),
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=message.now),
    )


def _is_proven_absent(message: MessageState) -> bool:
    """Whether the provider is known not to have the message.

    A failed message has come to its end by the provider's refusal of its last attempt, which proves it, or by a receipt
    or a person, which does not: a receipt of an older attempt may have overtaken the last one.
    """
    attempt = message.attempt
    if message.state is State.FAILED:
        return attempt is not None and attempt.outcome is Outcome.REJECTED
    return attempt is None or attempt.outcome in PROVEN_NOT_ACCEPTED


def _failed_after_acceptance(attempt: LastAttempt) -> Detail:
    """What later receipts are compared with, see `receive`."""
    return {"failed_attempt": attempt.epoch} if attempt.outcome is Outcome.ACCEPTED else {}


def _is_under_way(message: MessageState) -> bool:
    """Of a failed message: a receipt of an older attempt ended it while a worker was sending it anew."""
    attempt = message.attempt
    if message.state is not State.FAILED or attempt is None or attempt.phase is not Phase.STARTED:
        return False
    return attempt.lease_live or attempt.started_at is None or message.now < attempt.started_at + LONGEST_SEND


def resolve(message: MessageState, *, by: str, reason: str) -> Change:
    """T15: a person settles an unconfirmed message as failed; a late receipt still corrects the record.

    Raises `IllegalSignal` from any other state.
    """
    builder = ChangeBuilder(message)
    builder.signal(Signal.OPERATOR_FAIL, "message.resolved", {"by": by, "reason": reason})
    return builder.change(
        error=ProviderError(code="resolved_by_operator", reason=reason),
        attempt=_presumed_absent(message),
        dispatch=Unschedule(),
    )


def _presumed_absent(message: MessageState) -> tuple[AttemptChange, ...]:
    """A person has decided about an attempt whose fate nobody knows: it is not waited for any more."""
    attempt = message.attempt
    if attempt is None or attempt.phase not in (Phase.UNKNOWN, Phase.STARTED):
        return ()
    return (AttemptUpdated(epoch=attempt.epoch, phase=Phase.CLOSED, outcome=Outcome.PRESUMED_ABSENT),)


def is_settled(state: State) -> bool:
    """Whether a customer may regard the state as an end (corrections may still come)."""
    return state in TERMINAL
