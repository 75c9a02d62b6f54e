"""When a tenant is told that its endpoint fails, and when the endpoint is disabled."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from messaging.domain.callbacks.breaker import Health
from messaging.domain.callbacks.disabling import FailureRecord, may_be_due, must_be_disabled, notice_level
from tests.builders import NOON

HOUR = timedelta(hours=1)


def failing_for(time: timedelta) -> Health:
    return Health(failures=30, first_failure_at=NOON - time)


def a_record(**changes: Any) -> FailureRecord:
    fields: dict[str, Any] = {
        "failed_attempts": 20,
        "first_failed_at": NOON - 72 * HOUR,
        "last_failed_at": NOON - 60 * HOUR,
        "exhausted": 1,
    }
    return FailureRecord(**(fields | changes))


def test_an_endpoint_is_disabled_when_everything_speaks_against_it() -> None:
    assert must_be_disabled(failing_for(72 * HOUR), a_record(), now=NOON)


@pytest.mark.parametrize(
    ("failing", "changes"),
    [
        (71 * HOUR, {}),
        (72 * HOUR, {"failed_attempts": 19}),
        (72 * HOUR, {"last_failed_at": NOON - 61 * HOUR}),
        (72 * HOUR, {"exhausted": 0}),
        (72 * HOUR, {"first_failed_at": None, "last_failed_at": None}),
    ],
)
def test_and_not_when_one_thing_is_missing(failing: timedelta, changes: dict[str, Any]) -> None:
    assert not must_be_disabled(failing_for(failing), a_record(**changes), now=NOON)


def test_its_log_is_looked_at_only_after_three_days_without_success() -> None:
    assert may_be_due(failing_for(72 * HOUR), now=NOON)
    assert not may_be_due(failing_for(71 * HOUR), now=NOON)
    assert not may_be_due(Health(last_success_at=datetime.min.replace(tzinfo=NOON.tzinfo)), now=NOON)


@pytest.mark.parametrize(("hours", "level"), [(0.9, 0), (1, 1), (23, 1), (24, 2), (48, 3), (400, 3)])
def test_notices_are_given_after_an_hour_a_day_and_two(hours: float, level: int) -> None:
    assert notice_level(failing_for(hours * HOUR), now=NOON) == level


def test_a_healthy_endpoint_is_nothing_to_tell() -> None:
    assert notice_level(Health(), now=NOON) == 0
