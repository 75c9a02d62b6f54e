"""Decides what is written of a lane after exchanges of its callbacks: ends, retries, and the endpoint's health."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import assert_never

import msgspec
from msgspec import Struct

from messaging.application.callbacks.delivering.outgoing import Ended, OurFault
from messaging.application.ports.callbacks.delivering.lanes import Ending, EndpointKey, Head, LockedLane, Retry
from messaging.application.ports.callbacks.delivering.log import EndedCallback
from messaging.domain.callbacks import breaker
from messaging.domain.callbacks.breaker import BreakerState, Exchange, Health
from messaging.domain.callbacks.endpoint import DisabledReason
from messaging.domain.callbacks.schedule import next_attempt, throttled_until
from messaging.domain.callbacks.verdict import Delivered, Discarded, End, Failed, Gone
from messaging.domain.shared.mode import Mode

# A random number from 0 to 1.
Chance = Callable[[], float]


class Decision(Struct, kw_only=True):
    """What is written about one lane. It is made step by step, and then complete."""

    health: Health
    ended: list[Ending] = msgspec.field(default_factory=list)
    retried: list[Retry] = msgspec.field(default_factory=list)
    ends: list[EndedCallback] = msgspec.field(default_factory=list)
    not_before: datetime | None = None
    disabled: DisabledReason | None = None

    def hold_back(self, until: datetime) -> None:
        self.not_before = until if self.not_before is None else max(self.not_before, until)

    def end(self, endpoint: EndpointKey, head: Head, state: End, *, attempts: int, failure: str | None) -> None:
        self.ended.append(Ending(callback=head.callback))
        self.ends.append(
            EndedCallback(
                endpoint=endpoint,
                event_id=head.callback.event_id,
                state=state,
                attempts=attempts,
                last_failure=failure,
            )
        )


class Lately(Struct, frozen=True):
    """Of each exchange of an endpoint in the last minute, whether it succeeded; and whether answers come slowly."""

    succeeded: Sequence[bool] = ()
    slow: bool = False


def decide(
    endpoint: EndpointKey,
    mode: Mode,
    locked: LockedLane,
    results: Sequence[Ended],
    *,
    chance: Chance,
    max_in_flight: int,
    lately: Sequence[bool] = (),
) -> Decision:
    """The decision on exchanges that ended, in their order, about a lane as it is under lock."""
    decision = Decision(health=locked.health)
    for result in results:
        _settle(decision, endpoint, mode, result, locked.now, chance)
    exchanges = [exchange for result in results if (exchange := _exchange(result)) is not None]
    health = breaker.after(locked.health, exchanges, now=locked.now, lately=lately)
    decision.health = breaker.recovered(health, max_in_flight=max_in_flight, now=locked.now)
    if decision.health.breaker is BreakerState.OPEN:
        decision.hold_back(locked.now + breaker.probe_wait(decision.health, chance=chance()))
    return decision


def _settle(
    decision: Decision, endpoint: EndpointKey, mode: Mode, result: Ended, now: datetime, chance: Chance
) -> None:
    head, n = result.callback.head, result.callback.n
    match result.means:
        case Delivered():
            decision.end(endpoint, head, End.DELIVERED, attempts=n, failure=None)
        case Gone():
            decision.end(endpoint, head, End.DISCARDED, attempts=n, failure="gone")
            decision.disabled = DisabledReason.GONE
        case Discarded(reason):
            decision.end(endpoint, head, End.DISCARDED, attempts=n, failure=reason)
        case OurFault(failure):
            decision.end(endpoint, head, End.DEAD, attempts=n, failure=failure)
        case Failed() as failed:
            _failed(decision, endpoint, mode, result, failed, now, chance)
        case _:
            assert_never(result.means)


def _failed(
    decision: Decision,
    endpoint: EndpointKey,
    mode: Mode,
    result: Ended,
    failed: Failed,
    now: datetime,
    chance: Chance,
) -> None:
    head, n = result.callback.head, result.callback.n
    if failed.throttle is not None:
        decision.hold_back(throttled_until(now=now, retry_after=failed.throttle, window_ends_at=head.window_ends_at))
    again = next_attempt(
        mode,
        step=max(head.step, failed.from_step),
        now=now,
        window_ends_at=head.window_ends_at,
        chance=chance(),
        at_least=failed.at_least,
        uses_step=failed.uses_step,
    )
    if again is None:
        decision.end(endpoint, head, End.EXHAUSTED, attempts=n, failure=failed.failure)
    else:
        decision.retried.append(Retry(callback=head.callback, due_at=again.at, step=again.step, tries=n))


def _exchange(result: Ended) -> Exchange | None:
    """How the breaker counts a result; None for one that says nothing of the endpoint's health."""
    match result.means:
        case OurFault() | Failed(uses_step=False):
            return None
        case Failed():
            return Exchange(succeeded=False, tries=result.callback.n, probe=result.callback.probe)
        case _:
            return Exchange(succeeded=True)
