"""Circuit breaker of a sender or an account: closed, open or half-open, by the results of its last sends.

All functions are pure; times are seconds of one clock that all processes share. A send that began before the breaker
entered its present state does not count.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Trouble(StrEnum):
    """A fault of the sender or the account, not of the message."""

    # The provider was not reached, or its answer was unclear.
    UNAVAILABLE = "unavailable"
    # The provider refused for a reason in the sender or account that a person must change.
    RESTRICTED = "restricted"
    # The provider does not accept the credentials.
    UNAUTHORIZED = "unauthorized"


class Rule(Struct, frozen=True, kw_only=True):
    """The breaker opens after `failures` in a row; the wait for the next probe doubles from `first` to `longest`
    seconds.
    """

    failures: int
    first: float
    longest: float


RULES: Final[dict[Trouble, Rule]] = {
    # Short waits, because the provider recovers by itself and that must be noticed soon.
    Trouble.UNAVAILABLE: Rule(failures=5, first=1, longest=15),
    # Long waits, because every probe fails a message and only a person can mend the cause.
    Trouble.RESTRICTED: Rule(failures=5, first=15, longest=300),
    # Opens at the first failure, because no other message would succeed; a probe does not fail its message.
    Trouble.UNAUTHORIZED: Rule(failures=1, first=1, longest=60),
}

# A probe without a result after this many seconds (its process may be gone) lets another begin.
PROBE_SECONDS: Final = 5.0


class Breaker(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """State of a breaker. `failures` and `openings` count without interruption; `credentials` is a hash of the
    credentials that were refused.
    """

    state: BreakerState = BreakerState.CLOSED
    since: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    openings: int = 0
    trouble: Trouble | None = None
    code: str | None = None
    credentials: str | None = None


def fail(
    breaker: Breaker, trouble: Trouble, *, code: str, began: float, now: float, credentials: str | None = None
) -> Breaker:
    """The breaker after a send that failed for a fault any other send would have met too."""
    # Sends that were under way when the breaker opened fail too; counting each of them would double the wait each time.
    if began < breaker.since or breaker.state is BreakerState.OPEN:
        return breaker
    failures = breaker.failures + 1
    if breaker.state is BreakerState.CLOSED and failures < RULES[trouble].failures:
        return replace(breaker, failures=failures, trouble=trouble)
    return Breaker(
        state=BreakerState.OPEN,
        since=now,
        retry_at=now + _cool_down(trouble, breaker.openings),
        failures=failures,
        openings=breaker.openings + 1,
        trouble=trouble,
        code=code,
        credentials=credentials,
    )


def succeed(breaker: Breaker, *, began: float, now: float) -> Breaker:
    """The breaker after the provider accepted a message."""
    if began < breaker.since or (breaker.state is BreakerState.CLOSED and not breaker.failures):
        return breaker
    return Breaker(since=breaker.since if breaker.state is BreakerState.CLOSED else now)


def answer(breaker: Breaker, *, began: float, now: float) -> Breaker:
    """The breaker after the provider refused the message itself: it is reachable and accepts the credentials, but may
    not have checked restrictions.
    """
    return breaker if breaker.trouble is Trouble.RESTRICTED else succeed(breaker, began=began, now=now)


def probe(breaker: Breaker, *, now: float) -> Breaker:
    """The half-open breaker, for the caller that may send a single message now that the wait is over."""
    return replace(breaker, state=BreakerState.HALF_OPEN, since=now, retry_at=now + PROBE_SECONDS)


def renew(breaker: Breaker, *, credentials: str, now: float) -> Breaker:
    """The closed breaker, if it was open for refused credentials only and these have been replaced since."""
    stopped = breaker.state is not BreakerState.CLOSED and breaker.trouble is Trouble.UNAUTHORIZED
    return Breaker(since=now) if stopped and breaker.credentials != credentials else breaker


def _cool_down(trouble: Trouble, openings: int) -> float:
    rule = RULES[trouble]
    # After ten doublings every rule has reached its longest wait.
    return min(rule.longest, rule.first * 2.0 ** min(openings, 10))
