"""Decides what follows a failed job: when it runs again, or that only a person can run it again."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from msgspec import Struct

# Claims of a job that ended without a word: its worker died, or lost the database for as long as the lease. After so
# many, the job runs alone in its process, so that a job that kills its worker takes no other with it.
ALONE_AFTER: Final = 2
# After so many it is dead.
DEAD_AFTER: Final = 5


class JobPolicy(Struct, frozen=True, kw_only=True):
    """Waits grow by `factor` from `first_wait` to `longest_wait`, each varied at random by a fraction of `jitter`.

    A job dies with its `most_attempts`-th failure, or at its first failure later than `give_up_after` from when it was
    wanted; None: never.
    """

    first_wait: timedelta = timedelta(seconds=5)
    factor: float = 2.0
    longest_wait: timedelta = timedelta(minutes=10)
    jitter: float = 0.1
    most_attempts: int | None = 10
    give_up_after: timedelta | None = None


class RetryIn(Struct, frozen=True):
    """Run it again after `wait`."""

    wait: timedelta


class GiveUp(Struct, frozen=True):
    """Run it no more by itself; `why` tells which limit was reached."""

    why: str


class Trust(Enum):
    """How a job may run that was claimed before without a word about its end."""

    BESIDE_OTHERS = "beside_others"
    ALONE = "alone"
    NOT_AT_ALL = "not_at_all"


def after_failure(
    policy: JobPolicy,
    *,
    attempts: int,
    wanted_at: datetime,
    now: datetime,
    chance: float,
    at_least: timedelta = timedelta(0),
) -> RetryIn | GiveUp:
    """`attempts` counts the failures, this one included. `chance` is a random number from 0 to 1.

    A wait that would pass the deadline ends at the deadline, so that the last attempt is made then.
    """
    if policy.most_attempts is not None and attempts >= policy.most_attempts:
        return GiveUp("attempts_used_up")
    wait = max(_backoff(policy, attempts) * (1 + policy.jitter * (2 * chance - 1)), at_least)
    if policy.give_up_after is None:
        return RetryIn(wait)
    left = wanted_at + policy.give_up_after - now
    return RetryIn(min(wait, left)) if left > timedelta(0) else GiveUp("deadline_passed")


def trust(unfinished: int) -> Trust:
    """`unfinished` counts earlier claims in a row that ended without a word."""
    if unfinished >= DEAD_AFTER:
        return Trust.NOT_AT_ALL
    return Trust.ALONE if unfinished >= ALONE_AFTER else Trust.BESIDE_OTHERS


def _backoff(policy: JobPolicy, attempts: int) -> timedelta:
    wait = policy.first_wait
    for _ in range(attempts - 1):
        wait *= policy.factor
        if wait >= policy.longest_wait:
            break
    return min(wait, policy.longest_wait)
