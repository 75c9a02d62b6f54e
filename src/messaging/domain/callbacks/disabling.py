"""Notices about a failing endpoint, and when it is disabled by itself."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from messaging.domain.callbacks.breaker import Health


class FailureRecord(Struct, frozen=True, kw_only=True):
    """What the log holds of an endpoint since its first failure after its last success."""

    failed_attempts: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    exhausted: int


# Without a success for so long, an endpoint may be disabled.
NO_SUCCESS_FOR: Final = timedelta(hours=72)
_FEWEST_FAILURES: Final = 20
_SPREAD_OVER: Final = timedelta(hours=12)
_FEWEST_EXHAUSTED: Final = 1

# A notice is given once an endpoint has failed for so long; the index of the last one reached, plus one, is its level.
NOTICE_AFTER: Final = (timedelta(hours=1), timedelta(hours=24), timedelta(hours=48))
NOTICE_NAMES: Final = ("1h", "24h", "48h")


def may_be_due(health: Health, *, now: datetime) -> bool:
    """Whether an endpoint has failed for so long that its log is worth a look."""
    return health.first_failure_at is not None and now - health.first_failure_at >= NO_SUCCESS_FOR


def must_be_disabled(health: Health, record: FailureRecord, *, now: datetime) -> bool:
    """No success for 72 hours, 20 failed attempts spread over 12 of them, and a callback that was given up."""
    if not may_be_due(health, now=now) or record.first_failed_at is None or record.last_failed_at is None:
        return False
    return (
        record.failed_attempts >= _FEWEST_FAILURES
        and record.last_failed_at - record.first_failed_at >= _SPREAD_OVER
        and record.exhausted >= _FEWEST_EXHAUSTED
    )


def notice_level(health: Health, *, now: datetime) -> int:
    """The level of notice that an endpoint's failing has reached; 0 is none."""
    if health.first_failure_at is None:
        return 0
    return sum(now - health.first_failure_at >= wait for wait in NOTICE_AFTER)
