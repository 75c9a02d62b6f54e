"""Circuit breaker of an endpoint: whether its callbacks are sent, or one of them now and then as a probe.

All functions are pure; times are the database's. A breaker is closed, open or half-open, by the results of the
endpoint's exchanges.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Health(Struct, frozen=True, kw_only=True):
    """An endpoint's breaker with what it is judged by.

    `failures` counts without a success between; `opened_at` is when the breaker opened, or became half-open; `probes`
    counts those that failed in a row. `first_failure_at` is the first failure since the last success. `noticed` is the
    highest level of notice that the tenant was given since.
    """

    breaker: BreakerState = BreakerState.CLOSED
    failures: int = 0
    opened_at: datetime | None = None
    probes: int = 0
    last_success_at: datetime | None = None
    first_failure_at: datetime | None = None
    noticed: int = 0


class Exchange(Struct, frozen=True, kw_only=True):
    """The end of one exchange; `tries` counts those of the same callback, this one included, since it was enqueued.

    A `probe` was begun with an open breaker, not before it opened.
    """

    succeeded: bool
    tries: int = 1
    probe: bool = False


_FAILURES: Final = 5
# Exchanges of the last minute of which half must have failed; with fewer the share says nothing.
_FEWEST_OF_A_MINUTE: Final = 20
_LONGEST_PROBE_WAIT: Final = timedelta(minutes=15)
_PROBE_WAITS: Final = tuple(timedelta(seconds=n) for n in (15, 30, 60, 120, 300, 600, 900))
_PROBE_JITTER: Final = 0.2


def after(health: Health, exchanges: Sequence[Exchange], *, now: datetime, lately: Sequence[bool] = ()) -> Health:
    """The health after exchanges that ended, in their order.

    `lately` tells of each exchange of the last minute whether it succeeded, these included.
    """
    for exchange in exchanges:
        health = _succeeded(health, now) if exchange.succeeded else _failed(health, exchange, now)
    if health.breaker is BreakerState.CLOSED and _mostly_failing(lately):
        return _open(health, now)
    return health


def probe_wait(health: Health, *, chance: float) -> timedelta:
    """How long an open breaker waits for its next probe; `chance` is a random number from 0 to 1."""
    wait = _PROBE_WAITS[min(health.probes, len(_PROBE_WAITS) - 1)]
    return min(wait * (1 + _PROBE_JITTER * (2 * chance - 1)), _LONGEST_PROBE_WAIT)


def allowance(health: Health, *, max_in_flight: int, now: datetime) -> int:
    """How many exchanges may be under way: one with an open breaker; with a half-open one twice as many every
    second.
    """
    if health.breaker is BreakerState.CLOSED:
        return max_in_flight
    if health.breaker is BreakerState.OPEN or health.opened_at is None:
        return 1
    seconds = max(int((now - health.opened_at).total_seconds()), 0)
    return min(max_in_flight, 1 << min(seconds, 10))


def recovered(health: Health, *, max_in_flight: int, now: datetime) -> Health:
    """The closed breaker, if a half-open one has come to allow as many exchanges as the endpoint may have."""
    if health.breaker is BreakerState.HALF_OPEN and allowance(health, max_in_flight=max_in_flight, now=now) == (
        max_in_flight
    ):
        return replace(health, breaker=BreakerState.CLOSED, opened_at=None, probes=0)
    return health


def _succeeded(health: Health, now: datetime) -> Health:
    health = replace(health, failures=0, first_failure_at=None, last_success_at=now)
    if health.breaker is BreakerState.OPEN:
        return replace(health, breaker=BreakerState.HALF_OPEN, opened_at=now)
    return health


def _failed(health: Health, exchange: Exchange, now: datetime) -> Health:
    health = replace(health, failures=health.failures + 1, first_failure_at=health.first_failure_at or now)
    match health.breaker:
        case BreakerState.OPEN:
            return replace(health, probes=health.probes + exchange.probe)
        case BreakerState.HALF_OPEN:
            return replace(health, breaker=BreakerState.OPEN, opened_at=now)
        case BreakerState.CLOSED:
            # One callback that cannot be taken says nothing of the others: they must have failed too.
            of_several = exchange.tries < health.failures
            return _open(health, now) if health.failures >= _FAILURES and of_several else health


def _open(health: Health, now: datetime) -> Health:
    return replace(health, breaker=BreakerState.OPEN, opened_at=now, probes=0)


def _mostly_failing(lately: Sequence[bool]) -> bool:
    return len(lately) >= _FEWEST_OF_A_MINUTE and lately.count(False) * 2 >= len(lately)
