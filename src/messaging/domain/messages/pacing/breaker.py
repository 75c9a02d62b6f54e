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
    """What is wrong, when it is not the message."""

    # Not reached, or no clear answer.
    UNAVAILABLE = "unavailable"
    # Refused for something about the sender or the account that a person must change.
    RESTRICTED = "restricted"
    # The credentials are not accepted.
    UNAUTHORIZED = "unauthorized"


class Rule(Struct, frozen=True, kw_only=True):
    """Opens after `failures` in a row; the wait for the next probe doubles from `first` to `longest` seconds."""

    failures: int
    first: float
    longest: float


RULES: Final[dict[Trouble, Rule]] = {
    # Short waits: what comes back by itself must be noticed soon.
    Trouble.UNAVAILABLE: Rule(failures=5, first=1, longest=15),
    # Long ones: every probe costs a message, and only a person can mend it.
    Trouble.RESTRICTED: Rule(failures=5, first=15, longest=300),
    # At once, as no other message could do better; a probe costs no message anything.
    Trouble.UNAUTHORIZED: Rule(failures=1, first=1, longest=60),
}

# A probe without news after this many seconds (its process may be gone) makes room for another one.
PROBE_SECONDS: Final = 5.0


class Breaker(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`failures` and `openings` are in a row; `credentials` are those it opened under, not themselves but a print."""

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
    """A send failed for something that would have failed any other as well."""
    # What was under way when it opened fails too; counted again, each of them would double the wait.
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
    """The provider took a message."""
    if began < breaker.since or (breaker.state is BreakerState.CLOSED and not breaker.failures):
        return breaker
    return Breaker(since=breaker.since if breaker.state is BreakerState.CLOSED else now)


def answer(breaker: Breaker, *, began: float, now: float) -> Breaker:
    """The provider judged the message itself: it is there and knows us, but may not have looked at restrictions."""
    return breaker if breaker.trouble is Trouble.RESTRICTED else succeed(breaker, began=began, now=now)


def probe(breaker: Breaker, *, now: float) -> Breaker:
    """Half-open, for the one who may send a single message now that the wait is over."""
    return replace(breaker, state=BreakerState.HALF_OPEN, since=now, retry_at=now + PROBE_SECONDS)


def renew(breaker: Breaker, *, credentials: str, now: float) -> Breaker:
    """Closed, if all that was wrong were credentials that have been replaced since."""
    stopped = breaker.state is not BreakerState.CLOSED and breaker.trouble is Trouble.UNAUTHORIZED
    return Breaker(since=now) if stopped and breaker.credentials != credentials else breaker


def _cool_down(trouble: Trouble, openings: int) -> float:
    rule = RULES[trouble]
    # Beyond the tenth doubling every rule has reached its longest wait.
    return min(rule.longest, rule.first * 2.0 ** min(openings, 10))
