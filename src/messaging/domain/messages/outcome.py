"""What a try came to: the provider's answer, or its absence, turned into the next step of the message."""

from datetime import timedelta
from typing import assert_never

from msgspec import UNSET
from msgspec.structs import replace

from messaging.domain.messages import retry
from messaging.domain.messages.change import Arrange, AttemptUpdated, Change, Detail, Withdraw
from messaging.domain.messages.drafting import (
    Draft,
    EchoGrace,
    await_news,
    close_overtaken,
    end_dead,
    end_expired,
    lose_track,
)
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.standing import DispatchKind, Outcome, Phase, Standing
from messaging.domain.messages.state import RANK, Signal, State


def conclude(
    standing: Standing,
    *,
    epoch: int,
    result: retry.SendResult,
    latency_ms: int | None = None,
    grace: EchoGrace = ECHO_GRACE,
    check_every: timedelta | None = None,
    failed_attempt: int = 0,
) -> Change:
    """Write down what attempt `epoch` came to, and what follows from it.

    Late or overtaken results (a receipt was quicker, a sweep took the lease) still close their attempt; they move the
    message only if it is still waiting for exactly this attempt, or if they prove acceptance. That an attempt up to
    `failed_attempt` was accepted is no news: it had failed when a person sent the message again.
    """
    draft = Draft(standing, grace, check_every)
    match result:
        case retry.Sent():
            return _accepted(draft, epoch, result, latency_ms, is_news=epoch > failed_attempt)
        case retry.Rejected() | retry.Unavailable() | retry.Throttled() | retry.Unreachable() | retry.Uncertain():
            return _failed(draft, epoch, result, latency_ms)
        case _:
            assert_never(result)


def _accepted(draft: Draft, epoch: int, sent: retry.Sent, latency_ms: int | None, *, is_news: bool) -> Change:
    update = AttemptUpdated(
        epoch=epoch,
        phase=Phase.CLOSED,
        outcome=Outcome.ACCEPTED,
        provider_message_id=sent.provider_message_id,
        latency_ms=latency_ms,
        http_status=200,
    )
    detail: Detail = {
        "attempt": epoch,
        "provider_message_id": sent.provider_message_id,
        "latency_ms": latency_ms,
    }
    if sent.held:
        detail["held"] = "held_for_quality_assessment"
    if not is_news:
        draft.note("attempt.late_result", detail)
        return draft.change(attempt=(update,), dispatch=None)
    if not draft.signal(Signal.ACCEPT, "message.submitted", detail):
        draft.note("attempt.accepted", detail)
    dispatch, checks = await_news(draft)
    return draft.change(
        attempt=(*close_overtaken(draft.standing, epoch), update),
        dispatch=dispatch,
        checks=checks,
        error=None if RANK.get(draft.state, 0) != RANK[State.FAILED] else UNSET,
        attempts=draft.counted(),
    )


def _failed(draft: Draft, epoch: int, failure: retry.Failure, latency_ms: int | None) -> Change:
    standing = draft.standing
    waiting = (State.CLAIMED,) if isinstance(failure, retry.Unreachable) else ()
    current = standing.epoch == epoch and standing.state in (*waiting, State.SENDING, State.UNKNOWN)
    outcome, signal = _VERDICTS[type(failure)]
    closed = AttemptUpdated(
        epoch=epoch,
        phase=Phase.UNKNOWN if outcome is Outcome.UNKNOWN else Phase.CLOSED,
        outcome=outcome,
        error_code=failure.code,
        error_reason=failure.reason,
        http_status=failure.http_status,
        latency_ms=latency_ms,
    )
    detail: Detail = {
        "attempt": epoch,
        "outcome": outcome.value,
        "code": failure.code,
        "reason": failure.reason,
        "http_status": failure.http_status,
        "latency_ms": latency_ms,
    }
    if not current:
        # Something surer (a receipt, an operator) has already settled the message; an `unknown` would reopen it.
        draft.note("attempt.late_result", detail)
        settled = replace(closed, phase=Phase.CLOSED, outcome=None if outcome is Outcome.UNKNOWN else outcome)
        return draft.change(attempt=(settled,), dispatch=None)
    if isinstance(failure, retry.Uncertain):
        return lose_track(draft, (closed,), ProviderError(code=failure.code, reason=failure.reason), detail)
    return _follow(draft, failure, signal, closed, detail)


_VERDICTS: dict[type, tuple[Outcome, Signal]] = {
    retry.Rejected: (Outcome.REJECTED, Signal.REFUSE),
    retry.Unavailable: (Outcome.UNAVAILABLE, Signal.REFUSE_FOR_NOW),
    retry.Throttled: (Outcome.THROTTLED, Signal.REFUSE_FOR_NOW),
    retry.Unreachable: (Outcome.NOT_SENT, Signal.NOT_SENT),
    retry.Uncertain: (Outcome.UNKNOWN, Signal.LOSE_TRACK),
}


def _follow(
    draft: Draft,
    failure: retry.Failure,
    signal: Signal,
    closed: AttemptUpdated,
    detail: Detail,
) -> Change:
    standing = draft.standing
    # Losing track counted the try already; what it really came to must not count it again.
    before = max(0, standing.attempts - (standing.state is State.UNKNOWN))
    decision = retry.classify(
        failure,
        policy=retry.POLICIES[standing.policy],
        attempts=before,
        checks=standing.checks,
        now=standing.now,
        expires_at=standing.expires_at,
    )
    error = ProviderError(code=failure.code, reason=failure.reason)
    match decision:
        case retry.RetryAt(at=at, attempts=attempts, checks=checks):
            wait = int((at - standing.now).total_seconds())
            told: Detail = detail | {"retry_in_seconds": wait, "retry": attempts, "check": checks}
            draft.signal(signal, "attempt.refused", told)
            return draft.change(
                attempt=(closed,),
                attempts=attempts,
                checks=checks,
                error=error,
                dispatch=Arrange(kind=DispatchKind.DELIVER, due_at=at),
            )
        case retry.Fail():
            draft.signal(signal, "message.failed", detail)
            return draft.change(attempt=(closed,), attempts=before + 1, error=error, dispatch=Withdraw())
        case retry.Expire():
            draft.signal(signal, "attempt.refused", detail)
            return replace(end_expired(draft), attempt=(closed,), attempts=before + 1)
        case retry.Bury():
            draft.signal(signal, "attempt.refused", detail)
            return end_dead(draft, error, (closed,), attempts=before + 1)
        case retry.AwaitEcho():
            raise AssertionError("an uncertain outcome is handled before policies are asked")
        case _:
            assert_never(decision)
