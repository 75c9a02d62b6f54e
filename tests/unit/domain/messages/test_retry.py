"""When is a message tried again, and when is it not?"""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.messages.message import Category, Priority, policy_for
from messaging.domain.messages.retry import (
    CREDENTIAL_WAIT,
    DURABLE,
    POLICIES,
    SIMPLE,
    AwaitEcho,
    DeadLetter,
    Decision,
    Expire,
    Fail,
    Failure,
    Rejected,
    RetryAt,
    RetryPolicy,
    Scope,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
    classify,
)
from tests.builders import NOON

UNAVAILABLE = Unavailable(code="131016", reason="The service is overloaded.")
UNREACHABLE = Unreachable(reason="Connection refused.")
THROTTLED = Throttled(
    code="130429", reason="Too fast.", scope=Scope.SENDER, retry_after=timedelta(seconds=7), http_status=429
)
SIX_HOURS = 6 * 3600


def decide(
    failure: Failure = UNAVAILABLE,
    *,
    policy: RetryPolicy = DURABLE,
    attempts: int = 0,
    checks: int = 0,
    expires_at: datetime | None = None,
) -> Decision:
    return classify(failure, policy=policy, attempts=attempts, checks=checks, now=NOON, expires_at=expires_at)


def follow(policy: RetryPolicy, failure: Failure) -> tuple[list[float], Decision]:
    """The waits of a message that never succeeds, and how it ends."""
    waits, attempts, checks = [], 0, 0
    while isinstance(step := decide(failure, policy=policy, attempts=attempts, checks=checks), RetryAt):
        waits.append((step.at - NOON).total_seconds())
        attempts, checks = step.attempts, step.checks
    return waits, step


@pytest.mark.parametrize("failure", [UNAVAILABLE, UNREACHABLE])
def test_durable_waits_exactly_as_promised_and_then_asks_a_person(failure: Failure) -> None:
    waits, end = follow(DURABLE, failure)

    assert waits == [2, 4, 8, 16, 32, 60, 300, 1800, *[SIX_HOURS] * 27]
    assert end == DeadLetter()


def test_the_checks_of_durable_cover_seven_days() -> None:
    waits, _ = follow(DURABLE, UNAVAILABLE)

    assert len(waits[7:]) == DURABLE.checks == 28
    assert timedelta(days=6, hours=18) <= timedelta(seconds=sum(waits)) <= timedelta(days=7)


@pytest.mark.parametrize("failure", [UNAVAILABLE, UNREACHABLE])
def test_simple_waits_exactly_as_promised_and_then_asks_a_person(failure: Failure) -> None:
    assert follow(SIMPLE, failure) == ([5, 15, 45], DeadLetter())


def test_a_refusal_for_good_is_not_tried_again() -> None:
    assert decide(Rejected(code="131026", reason="Undeliverable.")) == Fail()


def test_an_unclear_outcome_is_never_tried_again_on_a_guess() -> None:
    assert decide(Uncertain(reason="The connection broke.")) == AwaitEcho()


@given(attempts=st.integers(0, 50), checks=st.integers(0, 50), policy=st.sampled_from(list(POLICIES.values())))
def test_throttling_waits_as_told_and_uses_up_nothing(attempts: int, checks: int, policy: RetryPolicy) -> None:
    decision = decide(THROTTLED, policy=policy, attempts=attempts, checks=checks)

    assert decision == RetryAt(at=NOON + timedelta(seconds=7), attempts=attempts, checks=checks)


@pytest.mark.parametrize(("told", "waited"), [(1, 2), (2, 2), (90, 90)])
def test_a_providers_retry_after_prolongs_a_wait_and_never_shortens_it(told: int, waited: int) -> None:
    failure = Unavailable(code="503", reason="Busy.", retry_after=timedelta(seconds=told))

    assert decide(failure) == RetryAt(at=NOON + timedelta(seconds=waited), attempts=1, checks=0)


def test_checks_too_wait_at_least_as_long_as_the_provider_says() -> None:
    failure = Unavailable(code="503", reason="Busy.", retry_after=timedelta(days=1))

    assert decide(failure, attempts=7, checks=3) == RetryAt(at=NOON + timedelta(days=1), attempts=7, checks=4)


@pytest.mark.parametrize("failure", [UNAVAILABLE, UNREACHABLE, THROTTLED])
@given(attempts=st.integers(0, 10), checks=st.integers(0, 30), seconds=st.integers(-60, 30_000))
def test_nothing_is_ever_tried_again_at_or_after_its_expiry(
    failure: Failure, attempts: int, checks: int, seconds: int
) -> None:
    expires_at = NOON + timedelta(seconds=seconds)

    decision = decide(failure, attempts=attempts, checks=checks, expires_at=expires_at)

    assert not isinstance(decision, RetryAt) or decision.at < expires_at


@pytest.mark.parametrize(
    ("left", "expected"), [(2, Expire()), (3, RetryAt(at=NOON + timedelta(seconds=2), attempts=1, checks=0))]
)
def test_expiry_wins_at_the_very_second(left: int, expected: Decision) -> None:
    assert decide(expires_at=NOON + timedelta(seconds=left)) == expected


def test_a_used_up_message_is_buried_rather_than_expired() -> None:
    assert decide(policy=SIMPLE, attempts=3, expires_at=NOON + timedelta(seconds=1)) == DeadLetter()


@pytest.mark.parametrize("category", list(Category))
@pytest.mark.parametrize("priority", list(Priority))
def test_urgent_messages_are_told_dead_early_and_all_others_tried_for_a_week(
    category: Category, priority: Priority
) -> None:
    urgent = category is Category.AUTHENTICATION or priority is Priority.CRITICAL

    assert policy_for(category, priority) is (SIMPLE if urgent else DURABLE)


def test_policies_are_found_by_their_names() -> None:
    assert {"durable": DURABLE, "simple": SIMPLE} == POLICIES


@pytest.mark.parametrize("told", [None, timedelta(seconds=7)])
def test_what_is_the_credentials_fault_waits_for_new_ones_and_uses_up_nothing(told: timedelta | None) -> None:
    refused = Unavailable(code="190", reason="Token revoked.", scope=Scope.CREDENTIAL, retry_after=told)

    assert decide(refused, attempts=2, checks=1) == RetryAt(
        at=NOON + (CREDENTIAL_WAIT if told is None else told), attempts=2, checks=1
    )
