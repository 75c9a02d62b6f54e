"""Decides a message's next step: from its locked state and one event (due, receipt, person) to the change to write.

Every function is pure: it takes a `MessageState` read under lock and returns a `Change`, or None when there is nothing
to write. The store writes changes in bulk and decides nothing. `MessageState.now` is the database's clock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from messaging.domain.channels.capabilities import Capabilities
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
    end_with_sent,
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
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.messages.transitions.unclear import resolve_unknown
from messaging.domain.messages.unclear_sends import NOT_KNOWN
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

# A message is poison once this many claims of it ended with a lost lease and without a byte sent.
MAX_CLAIM_FAILURES = 3
# A call to a provider never takes longer than this.
LONGEST_SEND = timedelta(minutes=2)


def take_up(
    message: MessageState,
    *,
    worker: str,
    lease: timedelta,
    grace: EchoGrace = ECHO_GRACE,
    can: Capabilities = NOT_KNOWN,
) -> Change | None:
    """The change for a due `deliver` dispatch: claim the message, or do what its state requires instead.

    The dispatch of a claimed message falls due again when its lease ends, so a message found `claimed` or `sending`
    here has lost its worker: it goes back to the queue (T6) or becomes `unknown` (T11). A message that may be poison
    (see `is_suspect`) must be claimed alone. Returns None only when the dispatch is stale and must be deleted.
    """
    if message.state not in (State.SCHEDULED, State.QUEUED):
        return give_up(message, grace=grace, can=can)
    builder = ChangeBuilder(message, grace)
    return end_expired(builder) if _expired(message) else _claim(builder, worker, lease)


def give_up(message: MessageState, *, grace: EchoGrace = ECHO_GRACE, can: Capabilities = NOT_KNOWN) -> Change | None:
    """T6 and T11: end the lease of a message whose dispatch is due while a worker holds it; None if no worker does."""
    match message.state:
        case State.CLAIMED:
            return _claim_lost(ChangeBuilder(message))
        case State.SENDING:
            return _worker_lost(ChangeBuilder(message, grace, can=can))
        case _:
            return None


def _expired(message: MessageState) -> bool:
    return message.expires_at is not None and message.expires_at <= message.now


def expire(message: MessageState) -> Change | None:
    """T4: expire a message that no worker has claimed; None if it has moved or is still valid."""
    waits = message.state in (State.SCHEDULED, State.QUEUED)
    return end_expired(ChangeBuilder(message)) if waits and _expired(message) else None


def is_suspect(message: MessageState) -> bool:
    """Whether the message may be poison, that is, may have crashed its last worker: then it must be claimed alone.

    When a worker dies, every message of its batch counts a claim failure. Claimed together again, innocent messages
    would become dead letters with the poisonous one. Claimed alone, a message that loses its worker is the cause.
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
    # Due at once, and to be claimed alone because it may be poison.
    return builder.change(
        attempt=closed,
        claim_failures=failures,
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=message.now),
    )


def release(message: MessageState, *, epoch: int, reason: str, due_at: datetime) -> Change | None:
    """Give back a claim without a start (drain, no rate-limit token, content unreadable now); uses up no attempt."""
    if message.epoch != epoch or message.state is not State.CLAIMED:
        return None
    builder = ChangeBuilder(message)
    builder.signal(Signal.NOT_SENT, "attempt.released", {"attempt": epoch, "reason": reason})
    return builder.change(
        attempt=closing(message, Phase.CLOSED, Outcome.NOT_SENT),
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=due_at),
    )


def start(message: MessageState, *, epoch: int, worker: str, lease: timedelta) -> Change | None:
    """T7: record a send's start, after which bytes may leave. None: the claim is lost and no byte may leave.

    The change must be durable before the first byte. It extends the lease to cover the whole request. A message that
    came this far is not treated as poison any more.
    """
    attempt = message.attempt
    if attempt is None or attempt.epoch != epoch or attempt.phase is not Phase.CLAIMED:
        return None
    if attempt.lease_owner != worker or not attempt.lease_live or message.state is not State.CLAIMED:
        return None
    if _expired(message):
        # Given back, the message is due at once and expires: an OTP never leaves after its expiry.
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
    error = ProviderError(code="worker_lost", reason="The worker was lost after it may have begun the request.")
    detail: Detail = {"attempt": message.epoch, "code": error.code, "reason": error.reason}
    return lose_track(builder, closing(message, Phase.UNKNOWN, Outcome.UNKNOWN), error, detail)


def dead_letter(message: MessageState, *, epoch: int, error: ProviderError) -> Change | None:
    """T19: a claimed message that cannot be rendered becomes a dead letter, since no later try could succeed."""
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
    can: Capabilities = NOT_KNOWN,
) -> Change:
    """Apply receipts, each with the epoch of its attempt where that is known, as one change.

    Every receipt becomes a timeline entry, also late and repeated ones. Any receipt proves that its attempt was
    accepted, so an attempt left `started` or `unknown` is closed, and no dispatch remains except, after `sent`, the
    next status check.

    Attempts up to `failed_attempt` had failed when a person sent the message again (T23). Receipts for them that say
    accepted or failed change nothing; only delivered or read does.
    """
    builder = ChangeBuilder(message, check_every=check_every, can=can)
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
    end_with_sent(builder)
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
    """The contents of a receipt besides its kind, as details of a timeline entry."""
    detail: Detail = {"provider_message_id": receipt.provider_message_id, **dict(receipt.facts)}
    if receipt.error is not None:
        detail |= {"code": receipt.error.code, "reason": receipt.error.reason}
    if receipt.sealed_recipient is not None:
        detail[SEALED_RECIPIENT] = receipt.sealed_recipient
    return detail


def _is_stale(epoch: int | None, receipt: Receipt, failed_attempt: int) -> bool:
    return epoch is not None and epoch <= failed_attempt and receipt.kind in (ReceiptKind.SENT, ReceiptKind.FAILED)


def _proven(message: MessageState, receipts: Sequence[tuple[int | None, Receipt]]) -> tuple[AttemptChange, ...]:
    """Updates for attempts that these receipts prove accepted and that are not recorded as such yet."""
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


def cancel(message: MessageState, *, by: str) -> Change:
    """T5. Raises `IllegalSignal` once a worker has claimed the message."""
    builder = ChangeBuilder(message)
    builder.signal(Signal.CANCEL, "message.cancelled", {"by": by})
    return builder.change(dispatch=Unschedule())


def requeue(message: MessageState, *, by: str, possible_duplicate: bool = False, reason: str | None = None) -> Change:
    """T15/T20/T23: send the message again by a person's decision, with a reason where one was asked for. Counters start
    at zero.

    Raises DomainError: `duplicate_risk` unless the last attempt is proven not accepted, or the caller accepts the risk;
    `state_conflict` while a request of the message may still be under way.
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
    """Whether the provider is proven not to have the message.

    A refusal of the last attempt proves it. A receipt or a person's decision does not: the receipt may be about an
    older attempt.
    """
    attempt = message.attempt
    if message.state is State.FAILED:
        return attempt is not None and attempt.outcome is Outcome.REJECTED
    return attempt is None or attempt.outcome in PROVEN_NOT_ACCEPTED


def _failed_after_acceptance(attempt: LastAttempt) -> Detail:
    """Details that later receipts are compared with, see `receive`."""
    return {"failed_attempt": attempt.epoch} if attempt.outcome is Outcome.ACCEPTED else {}


def _is_under_way(message: MessageState) -> bool:
    """Whether a `failed` message is still being sent: an older attempt's receipt ended it during a newer send."""
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
    """Close an attempt with an unknown outcome: a person has decided not to wait for it any longer."""
    attempt = message.attempt
    if attempt is None or attempt.phase not in (Phase.UNKNOWN, Phase.STARTED):
        return ()
    return (AttemptUpdated(epoch=attempt.epoch, phase=Phase.CLOSED, outcome=Outcome.PRESUMED_ABSENT),)


def is_settled(state: State) -> bool:
    """Whether a tenant may regard the state as final (corrections may still come)."""
    return state in TERMINAL
