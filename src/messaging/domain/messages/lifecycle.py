"""One message's next step: from where it stands and what has just been learnt to the change to be written.

Every function is pure: it takes a `Standing` read under lock and returns a `Change`, or None when there is nothing to
write. The store writes changes set by set and never decides anything. `Standing.now` is the database's clock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from messaging.domain.messages.change import (
    Arrange,
    AttemptChange,
    AttemptOpened,
    AttemptUpdated,
    Change,
    Detail,
    Withdraw,
)
from messaging.domain.messages.drafting import (
    Draft,
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
from messaging.domain.messages.outcome import conclude
from messaging.domain.messages.receipts import SEALED_RECIPIENT, ProviderError, Receipt, ReceiptKind
from messaging.domain.messages.standing import (
    PROVEN_NOT_ACCEPTED,
    DispatchKind,
    LastAttempt,
    Outcome,
    Phase,
    Standing,
)
from messaging.domain.messages.state import TERMINAL, Signal, State
from messaging.domain.messages.witnesses import WITNESS_RULE, Evidence, WitnessRule, lacking, may_resend, next_look
from messaging.domain.shared.errors import DomainError

__all__ = [
    "EchoGrace",
    "IllegalSignal",
    "bury",
    "cancel",
    "conclude",
    "expire",
    "is_settled",
    "is_suspect",
    "receive",
    "release",
    "requeue",
    "resolve",
    "start",
    "stop_waiting",
    "take_up",
]

# A message that costs its worker the lease this often without a byte sent is poison.
MAX_CLAIM_FAILURES = 3
# Longer than any call to a provider may take.
LONGEST_SEND = timedelta(minutes=2)


# --- claiming -------------------------------------------------------------------------------------------------------


def take_up(standing: Standing, *, worker: str, lease: timedelta, grace: EchoGrace = ECHO_GRACE) -> Change | None:
    """A due `deliver` dispatch: claim the message, or do what its state asks for instead.

    The dispatch of a claimed message falls due again when its lease ends, so finding one `claimed` or `sending` here
    means that its worker is gone: it goes back to the queue (T6) or waits for its echo (T11). Suspects (see
    `is_suspect`) must be claimed alone. Returns None only when the dispatch is stale and must be withdrawn as is.
    """
    if standing.state not in (State.SCHEDULED, State.QUEUED):
        return give_up(standing, grace=grace)
    draft = Draft(standing, grace)
    return end_expired(draft) if _expired(standing) else _claim(draft, worker, lease)


def give_up(standing: Standing, *, grace: EchoGrace = ECHO_GRACE) -> Change | None:
    """T6 and T11 for a message whose dispatch is due although a worker holds it; None if none does."""
    match standing.state:
        case State.CLAIMED:
            return _claim_lost(Draft(standing, grace))
        case State.SENDING:
            return _worker_lost(Draft(standing, grace))
        case _:
            return None


def _expired(standing: Standing) -> bool:
    return standing.expires_at is not None and standing.expires_at <= standing.now


def expire(standing: Standing) -> Change | None:
    """T4 for a message that nobody claims at present; None if it has moved or is still valid."""
    waits = standing.state in (State.SCHEDULED, State.QUEUED)
    return end_expired(Draft(standing)) if waits and _expired(standing) else None


def is_suspect(standing: Standing) -> bool:
    """Whether it may be what its last worker died of: then it must be claimed alone, never among others.

    A lost batch cannot tell which of its messages it was lost to, so every one of them is noted a failure. Claimed
    together again, the innocent would collect as many failures as the poisonous one, and be buried with it. Alone, a
    second failure is its own.
    """
    return standing.claim_failures > 0 and standing.state in (State.SCHEDULED, State.QUEUED)


def _claim(draft: Draft, worker: str, lease: timedelta) -> Change:
    standing = draft.standing
    epoch = standing.epoch + 1
    draft.signal(Signal.DUE, "message.queued")
    draft.signal(Signal.CLAIM, "attempt.claimed", {"attempt": epoch, "worker": worker})
    return draft.change(
        epoch=epoch,
        attempt=(
            AttemptOpened(epoch=epoch, lease_owner=worker, lease=lease, possible_duplicate=standing.possible_duplicate),
        ),
        dispatch=Arrange(kind=DispatchKind.DELIVER, due_at=standing.now + lease),
    )


def _claim_lost(draft: Draft) -> Change:
    standing = draft.standing
    failures = standing.claim_failures + 1
    closed = closing(standing, Phase.CLOSED, Outcome.NOT_SENT)
    draft.signal(Signal.NOT_SENT, "attempt.lease_ended", {"attempt": standing.epoch, "claim_failures": failures})
    if failures >= MAX_CLAIM_FAILURES:
        reason = f"Its worker was lost {failures} times while holding it, before anything was sent."
        return end_dead(draft, ProviderError(code="poison", reason=reason), closed, claim_failures=failures)
    if _expired(standing):
        return replace(end_expired(draft), attempt=closed, claim_failures=failures)
    # Due at once, as a suspect.
    return draft.change(
        attempt=closed,
        claim_failures=failures,
        dispatch=Arrange(kind=DispatchKind.DELIVER, due_at=standing.now),
    )


def release(standing: Standing, *, epoch: int, reason: str, due_at: datetime) -> Change | None:
    """Give a claim back unstamped (drain, no rate-limit token, content not readable now); uses up nothing."""
    if standing.epoch != epoch or standing.state is not State.CLAIMED:
        return None
    draft = Draft(standing)
    draft.signal(Signal.NOT_SENT, "attempt.released", {"attempt": epoch, "reason": reason})
    return draft.change(
        attempt=closing(standing, Phase.CLOSED, Outcome.NOT_SENT),
        dispatch=Arrange(kind=DispatchKind.DELIVER, due_at=due_at),
    )


def start(standing: Standing, *, epoch: int, worker: str, lease: timedelta) -> Change | None:
    """T7, the point of no return; None means the fence is lost and not a byte may leave.

    The change must be durable before the first byte. It prolongs the take-over to cover the request's whole time. A
    message that came this far did its worker no harm: it is not suspected any more.
    """
    attempt = standing.attempt
    if attempt is None or attempt.epoch != epoch or attempt.phase is not Phase.CLAIMED:
        return None
    if attempt.lease_owner != worker or not attempt.lease_live or standing.state is not State.CLAIMED:
        return None
    if _expired(standing):
        # Given back, it is due at once and found expired: an OTP never leaves after its validity.
        return None
    draft = Draft(standing)
    draft.signal(Signal.START, "attempt.started", {"attempt": epoch, "worker": worker})
    return draft.change(
        claim_failures=0,
        attempt=(AttemptUpdated(epoch=epoch, phase=Phase.STARTED),),
        dispatch=Arrange(kind=DispatchKind.DELIVER, due_at=standing.now + lease),
    )


def _worker_lost(draft: Draft) -> Change:
    standing = draft.standing
    error = ProviderError(code="worker_lost", reason="Its worker was lost after the request may have begun.")
    detail: Detail = {"attempt": standing.epoch, "code": error.code, "reason": error.reason}
    return lose_track(draft, closing(standing, Phase.UNKNOWN, Outcome.UNKNOWN), error, detail)


def bury(standing: Standing, *, epoch: int, error: ProviderError) -> Change | None:
    """T19 for a claim whose content cannot be rendered: no try could ever work."""
    if standing.epoch != epoch or standing.state is not State.CLAIMED:
        return None
    return end_dead(Draft(standing), error, closing(standing, Phase.CLOSED, Outcome.NOT_SENT))


# --- receipts, people, patience -------------------------------------------------------------------------------------


def receive(
    standing: Standing,
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
    draft = Draft(standing, check_every=check_every)
    error: ProviderError | UnsetType | None = UNSET
    for epoch, receipt in receipts:
        stale = _is_stale(epoch, receipt, failed_attempt)
        detail = {"attempt": epoch} | _told(receipt)
        moved = not stale and draft.signal(receipt.kind.signal, f"receipt.{receipt.kind}", detail, receipt.occurred_at)
        if not moved:
            draft.note(f"receipt.{receipt.kind}", detail | {"effect": "none"}, receipt.occurred_at)
        elif receipt.kind is ReceiptKind.FAILED:
            error = receipt.error or ProviderError(code="failed", reason="The provider gave no reason.")
        else:
            error = None
    dispatch, checks = await_news(draft)
    news = [(epoch, receipt) for epoch, receipt in receipts if not _is_stale(epoch, receipt, failed_attempt)]
    return draft.change(
        attempt=_proven(standing, news),
        attempts=draft.counted(),
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


def _proven(standing: Standing, receipts: Sequence[tuple[int | None, Receipt]]) -> tuple[AttemptChange, ...]:
    """Attempts that these receipts prove accepted and that we did not know as such yet."""
    learnt = {epoch: receipt.provider_message_id for epoch, receipt in receipts if epoch is not None}
    last = standing.attempt
    if last is not None and last.outcome is Outcome.ACCEPTED and last.provider_message_id is not None:
        learnt.pop(last.epoch, None)
    if not learnt:
        return ()
    proven = (
        AttemptUpdated(epoch=epoch, phase=Phase.CLOSED, outcome=Outcome.ACCEPTED, provider_message_id=provider_id)
        for epoch, provider_id in sorted(learnt.items())
    )
    return (*close_overtaken(standing, max(learnt)), *proven)


def stop_waiting(
    standing: Standing,
    evidence: Evidence | None = None,
    *,
    grace: EchoGrace = ECHO_GRACE,
    rule: WitnessRule = WITNESS_RULE,
) -> Change | None:
    """The echo did not come within the grace. None when news came first.

    T14: a person decides. Where the customer chose `resend` and may still have it (see `may_resend`), T13: it is sent
    again if `evidence` says that the provider never had it, and waits on for a while as long as it does not say so.
    """
    if standing.state is not State.UNKNOWN:
        return None
    draft = Draft(standing, grace)
    detail: Detail = {"attempt": standing.epoch}
    if evidence is not None and may_resend(standing):
        missing = lacking(standing, evidence, grace=grace[standing.category], rule=rule)
        if missing is None:
            return _resend(draft, evidence)
        detail["no_resend"] = missing
        if (due_at := next_look(standing, grace=grace[standing.category], rule=rule)) is not None:
            draft.note("message.waiting", detail)
            return draft.change(dispatch=Arrange(kind=DispatchKind.STOP_WAITING, due_at=due_at))
    draft.signal(Signal.STOP_WAITING, "message.unconfirmed", detail)
    return draft.change(dispatch=Withdraw())


def _resend(draft: Draft, evidence: Evidence) -> Change:
    """Once in a message's life: the mark it leaves is what `may_resend` asks for."""
    standing = draft.standing
    detail: Detail = {"by": "on_unknown", "possible_duplicate": "true", "witnesses": evidence.witnesses}
    draft.signal(Signal.RESEND, "message.requeued", detail)
    return draft.change(
        error=None,
        possible_duplicate=True,
        attempt=closing(standing, Phase.CLOSED, Outcome.PRESUMED_ABSENT),
        dispatch=Arrange(kind=DispatchKind.DELIVER, due_at=standing.now),
    )


def cancel(standing: Standing, *, by: str) -> Change:
    """T5. Raises `IllegalSignal` once a worker has claimed the message."""
    draft = Draft(standing)
    draft.signal(Signal.CANCEL, "message.cancelled", {"by": by})
    return draft.change(dispatch=Withdraw())


def requeue(standing: Standing, *, by: str, possible_duplicate: bool = False, reason: str | None = None) -> Change:
    """T15/T20/T23: a person sends it again, for a reason where one was asked for. Counters start afresh.

    Raises DomainError: `duplicate_risk` unless the last attempt is proven not accepted, or the caller accepts the risk;
    `state_conflict` while a request of it may still be under way.
    """
    proven = _is_proven_absent(standing)
    draft = Draft(standing)
    detail: Detail = {"by": by, "possible_duplicate": str(possible_duplicate).lower()}
    if reason is not None:
        detail["reason"] = reason
    if standing.state is State.FAILED and standing.attempt is not None and not proven:
        detail |= _failed_after_acceptance(standing.attempt)
    draft.signal(Signal.OPERATOR_REQUEUE, "message.requeued", detail)
    if _is_under_way(standing):
        raise DomainError("state_conflict", "A request of this message may still be under way. Try again in a minute.")
    if not proven and not possible_duplicate:
        raise DomainError(
            "duplicate_risk",
            "The provider may already have this message. Send possible_duplicate: true to send it again all the same.",
        )
    return draft.change(
        attempts=0,
        checks=0,
        claim_failures=0,
        error=None,
        possible_duplicate=standing.possible_duplicate or not proven,
        attempt=_presumed_absent(standing),
        dispatch=Arrange(kind=DispatchKind.DELIVER, due_at=standing.now),
    )


def _is_proven_absent(standing: Standing) -> bool:
    """Whether the provider is known not to have the message.

    A failed message has come to its end by the provider's refusal of its last attempt, which proves it, or by a receipt
    or a person, which does not: a receipt of an older attempt may have overtaken the last one.
    """
    attempt = standing.attempt
    if standing.state is State.FAILED:
        return attempt is not None and attempt.outcome is Outcome.REJECTED
    return attempt is None or attempt.outcome in PROVEN_NOT_ACCEPTED


def _failed_after_acceptance(attempt: LastAttempt) -> Detail:
    """What later receipts are compared with, see `receive`."""
    return {"failed_attempt": attempt.epoch} if attempt.outcome is Outcome.ACCEPTED else {}


def _is_under_way(standing: Standing) -> bool:
    """Of a failed message: a receipt of an older attempt ended it while a worker was sending it anew."""
    attempt = standing.attempt
    if standing.state is not State.FAILED or attempt is None or attempt.phase is not Phase.STARTED:
        return False
    return attempt.lease_live or attempt.started_at is None or standing.now < attempt.started_at + LONGEST_SEND


def resolve(standing: Standing, *, by: str, reason: str) -> Change:
    """T15: a person settles an unconfirmed message as failed; a late receipt still corrects the record.

    Raises `IllegalSignal` from any other state.
    """
    draft = Draft(standing)
    draft.signal(Signal.OPERATOR_FAIL, "message.resolved", {"by": by, "reason": reason})
    return draft.change(
        error=ProviderError(code="resolved_by_operator", reason=reason),
        attempt=_presumed_absent(standing),
        dispatch=Withdraw(),
    )


def _presumed_absent(standing: Standing) -> tuple[AttemptChange, ...]:
    """A person has decided about an attempt whose fate nobody knows: it is not waited for any more."""
    attempt = standing.attempt
    if attempt is None or attempt.phase not in (Phase.UNKNOWN, Phase.STARTED):
        return ()
    return (AttemptUpdated(epoch=attempt.epoch, phase=Phase.CLOSED, outcome=Outcome.PRESUMED_ABSENT),)


def is_settled(state: State) -> bool:
    """Whether a customer may regard the state as an end (corrections may still come)."""
    return state in TERMINAL
