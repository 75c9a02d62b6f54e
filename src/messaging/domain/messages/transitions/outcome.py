"""Turns the result of an attempt (the provider's answer, or that none came) into the next change of the message."""

from datetime import timedelta
from typing import assert_never

from msgspec import UNSET
from msgspec.structs import replace

from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages import retry
from messaging.domain.messages.change import AttemptUpdated, Change, Detail, Schedule, Unschedule
from messaging.domain.messages.change_builder import (
    ChangeBuilder,
    EchoGrace,
    await_news,
    close_overtaken,
    end_dead,
    end_expired,
    end_with_sent,
    lose_track,
)
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.message_state import DispatchKind, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.state import RANK, Signal, State
from messaging.domain.messages.unclear_sends import NOT_KNOWN, counts_looks, is_repeated


def conclude(
    message: MessageState,
    *,
    epoch: int,
    result: retry.SendResult,
    latency_ms: int | None = None,
    grace: EchoGrace = ECHO_GRACE,
    check_every: timedelta | None = None,
    failed_attempt: int = 0,
    can: Capabilities = NOT_KNOWN,
) -> Change:
    """Record the result of attempt `epoch`, and decide what follows from it. `can` is what its provider can prove.

    A late result (a receipt came first, or the lease had ended) still closes its attempt; it moves the message only if
    the message still waits for this very attempt, or if the result proves acceptance. Acceptance of an attempt up to
    `failed_attempt` changes nothing: that attempt had failed when a person sent the message again.
    """
    builder = ChangeBuilder(message, grace, check_every, can)
    match result:
        case retry.Sent():
            return _accepted(builder, epoch, result, latency_ms, is_news=epoch > failed_attempt)
        case retry.Rejected() | retry.Unavailable() | retry.Throttled() | retry.Unreachable() | retry.Uncertain():
            return _failed(builder, epoch, result, latency_ms)
        case _:
            assert_never(result)


def _accepted(builder: ChangeBuilder, epoch: int, sent: retry.Sent, latency_ms: int | None, *, is_news: bool) -> Change:
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
        builder.note("attempt.late_result", detail)
        return builder.change(attempt=(update,), dispatch=None)
    if not builder.signal(Signal.ACCEPT, "message.submitted", detail):
        builder.note("attempt.accepted", detail)
    end_with_sent(builder)
    dispatch, checks = await_news(builder)
    return builder.change(
        attempt=(*close_overtaken(builder.message, epoch), update),
        dispatch=dispatch,
        checks=checks,
        error=None if RANK.get(builder.state, 0) != RANK[State.FAILED] else UNSET,
        attempts=builder.counted(),
    )


def _failed(builder: ChangeBuilder, epoch: int, failure: retry.Failure, latency_ms: int | None) -> Change:
    message = builder.message
    waiting = (State.CLAIMED,) if isinstance(failure, retry.Unreachable) else ()
    # Once a request was repeated, a refusal of the first one does not prove that the provider has no message.
    unclear = () if is_repeated(message, builder.can) else (State.UNKNOWN,)
    current = message.epoch == epoch and message.state in (*waiting, State.SENDING, *unclear)
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
        # A receipt or an operator has already settled the message; an `unknown` result would reopen it.
        builder.note("attempt.late_result", detail)
        if message.epoch == epoch and message.state is State.UNKNOWN:
            return builder.change(dispatch=None)
        settled = replace(closed, phase=Phase.CLOSED, outcome=None if outcome is Outcome.UNKNOWN else outcome)
        return builder.change(attempt=(settled,), dispatch=None)
    if isinstance(failure, retry.Uncertain):
        return lose_track(builder, (closed,), ProviderError(code=failure.code, reason=failure.reason), detail)
    return _follow(builder, failure, signal, closed, detail)


def outcome_of(result: retry.SendResult) -> Outcome:
    """How an attempt with this result is recorded."""
    return Outcome.ACCEPTED if isinstance(result, retry.Sent) else _VERDICTS[type(result)][0]


_VERDICTS: dict[type, tuple[Outcome, Signal]] = {
    retry.Rejected: (Outcome.REJECTED, Signal.REFUSE),
    retry.Unavailable: (Outcome.UNAVAILABLE, Signal.REFUSE_FOR_NOW),
    retry.Throttled: (Outcome.THROTTLED, Signal.REFUSE_FOR_NOW),
    retry.Unreachable: (Outcome.NOT_SENT, Signal.NOT_SENT),
    retry.Uncertain: (Outcome.UNKNOWN, Signal.LOSE_TRACK),
}


def _follow(
    builder: ChangeBuilder,
    failure: retry.Failure,
    signal: Signal,
    closed: AttemptUpdated,
    detail: Detail,
) -> Change:
    message = builder.message
    # The try was counted when the outcome became unknown; its actual result must not count it again.
    was_unclear = message.state is State.UNKNOWN
    before = max(0, message.attempts - was_unclear)
    decision = retry.classify(
        failure,
        policy=retry.POLICIES[message.policy],
        attempts=before,
        checks=0 if was_unclear and counts_looks(builder.can) else message.checks,
        now=message.now,
        expires_at=message.expires_at,
    )
    error = ProviderError(code=failure.code, reason=failure.reason)
    match decision:
        case retry.RetryAt(at=at, attempts=attempts, checks=checks):
            wait = int((at - message.now).total_seconds())
            told: Detail = detail | {"retry_in_seconds": wait, "retry": attempts, "check": checks}
            builder.signal(signal, "attempt.refused", told)
            return builder.change(
                attempt=(closed,),
                attempts=attempts,
                checks=checks,
                error=error,
                dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=at),
            )
        case retry.Fail():
            builder.signal(signal, "message.failed", detail)
            return builder.change(attempt=(closed,), attempts=before + 1, error=error, dispatch=Unschedule())
        case retry.Expire():
            builder.signal(signal, "attempt.refused", detail)
            return replace(end_expired(builder), attempt=(closed,), attempts=before + 1)
        case retry.DeadLetter():
            builder.signal(signal, "attempt.refused", detail)
            return end_dead(builder, error, (closed,), attempts=before + 1)
        case retry.AwaitEcho():
            raise AssertionError("an uncertain outcome is handled before policies are asked")
        case _:
            assert_never(decision)
