"""When a failed job runs again, and when it does not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from messaging.domain.jobs.retry import GiveUp, JobPolicy, RetryIn, Trust, after_failure, trust
from tests.builders import NOON

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
POLICY = JobPolicy(first_wait=10 * SECOND, factor=3.0, longest_wait=2 * MINUTE, jitter=0.0, most_attempts=5)


def decided(attempts: int, policy: JobPolicy = POLICY, **changes: Any) -> RetryIn | GiveUp:
    facts: dict[str, Any] = {"wanted_at": NOON, "now": NOON, "chance": 0.5} | changes
    return after_failure(policy, attempts=attempts, **facts)


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 10), (2, 30), (3, 90), (4, 120)])
def test_waits_grow_up_to_the_longest(attempts: int, seconds: int) -> None:
    assert decided(attempts) == RetryIn(seconds * SECOND)


def test_the_last_failure_is_the_end() -> None:
    assert decided(4) != GiveUp("attempts_used_up")
    assert decided(5) == decided(6) == GiveUp("attempts_used_up")


def test_without_a_limit_it_is_tried_for_ever_and_the_wait_stays_the_longest() -> None:
    assert decided(100_000, JobPolicy(most_attempts=None, jitter=0.0)) == RetryIn(10 * MINUTE)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 8), (0.5, 10), (1.0, 12)])
def test_waits_vary_by_the_jitter_to_both_sides(chance: float, seconds: int) -> None:
    policy = JobPolicy(first_wait=10 * SECOND, jitter=0.2)

    assert decided(1, policy, chance=chance) == RetryIn(seconds * SECOND)


def test_no_wait_is_shorter_than_the_failure_demands() -> None:
    assert decided(1, at_least=45 * SECOND) == RetryIn(45 * SECOND)
    assert decided(3, at_least=45 * SECOND) == RetryIn(90 * SECOND)


@pytest.mark.parametrize(
    ("now", "decision"),
    [
        (NOON, RetryIn(10 * SECOND)),
        (NOON + HOUR - 11 * SECOND, RetryIn(10 * SECOND)),
        (NOON + HOUR - 4 * SECOND, RetryIn(4 * SECOND)),
        (NOON + HOUR, GiveUp("deadline_passed")),
        (NOON + 2 * HOUR, GiveUp("deadline_passed")),
    ],
)
def test_the_last_attempt_is_made_at_the_deadline(now: datetime, decision: RetryIn | GiveUp) -> None:
    policy = JobPolicy(first_wait=10 * SECOND, jitter=0.0, give_up_after=HOUR)

    assert decided(1, policy, now=now) == decision


def test_what_ends_without_a_word_runs_alone_and_then_not_at_all() -> None:
    assert [trust(unfinished) for unfinished in (0, 1, 2, 4, 5, 9)] == [
        *(Trust.BESIDE_OTHERS, Trust.BESIDE_OTHERS),
        *(Trust.ALONE, Trust.ALONE),
        *(Trust.NOT_AT_ALL, Trust.NOT_AT_ALL),
    ]
