"""Health of a sender or an account: its circuit breaker and its pace, and how the result of a send changes both."""

from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct

from messaging.domain.messages.pacing import breaker, pace
from messaging.domain.messages.pacing.breaker import Breaker, BreakerState, Trouble
from messaging.domain.messages.pacing.pace import Pace
from messaging.domain.messages.retry import (
    Rejected,
    Scope,
    SendResult,
    Sent,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
)

# Codes of sends that stayed in the process for a reason of its own, which say nothing about the provider.
OUR_OWN: Final = frozenset({"internal_error", "no_free_connection", "no_slot", "start_not_written"})


class Subject(NamedTuple):
    """The sender or account that a health belongs to: `scope` is SENDER or ACCOUNT."""

    scope: Scope
    id: UUID


class Health(Struct, frozen=True, kw_only=True, omit_defaults=True):
    breaker: Breaker = Breaker()
    pace: Pace = Pace()


HEALTHY: Final = Health()


class Observation(Struct, frozen=True, kw_only=True):
    """One result of a send and the time at which the send began; `credentials` is a hash of the account's present
    credentials.
    """

    result: SendResult
    began: float
    credentials: str | None = None


def record(health: Health, scope: Scope, observation: Observation, *, now: float) -> Health:
    """The health of a sender or account (`scope`) after an observation; equal to `health` when the observation changes
    nothing.
    """
    return Health(
        breaker=_breaker_after(health.breaker, scope, observation, now),
        pace=_pace_after(health.pace, scope, observation, now),
    )


def _breaker_after(known: Breaker, scope: Scope, observation: Observation, now: float) -> Breaker:
    result, began = observation.result, observation.began
    if isinstance(result, Sent):
        return breaker.succeed(known, began=began, now=now)
    if (blamed := blame(result)) is not None:
        blamed_scope, trouble = blamed
        if blamed_scope is not scope:
            return known
        return breaker.fail(known, trouble, code=result.code, began=began, now=now, credentials=observation.credentials)
    if isinstance(result, Unreachable):
        return known
    return breaker.answer(known, began=began, now=now)


def _pace_after(known: Pace, scope: Scope, observation: Observation, now: float) -> Pace:
    result = observation.result
    if isinstance(result, Throttled) and result.scope is scope:
        return pace.slow_down(known, wait=result.retry_after.total_seconds(), began=observation.began, now=now)
    return known


def blame(result: SendResult) -> tuple[Scope, Trouble] | None:
    """The scope and kind of fault that a result shows; None if the cause is the message, its recipient, this process or
    unknown.
    """
    match result:
        case Rejected(scope=Scope.CREDENTIAL) | Unavailable(scope=Scope.CREDENTIAL):
            return Scope.ACCOUNT, Trouble.UNAUTHORIZED
        case Rejected(scope=Scope.SENDER | Scope.ACCOUNT):
            return result.scope, Trouble.RESTRICTED
        case Unavailable(scope=Scope.SENDER | Scope.ACCOUNT):
            return result.scope, Trouble.UNAVAILABLE
        case Uncertain():
            return Scope.SENDER, Trouble.UNAVAILABLE
        case Unreachable(code=code) if code not in OUR_OWN:
            return Scope.SENDER, Trouble.UNAVAILABLE
        case _:
            return None


def held_until(health: Health) -> float:
    """Time before which nothing may be sent."""
    stopped = health.breaker.state is not BreakerState.CLOSED
    return max(health.pace.paused_until, health.breaker.retry_at if stopped else 0.0)
