"""Verdict on an exchange with an endpoint: what its answer, or its silence, means for the callback."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from messaging.domain.callbacks.schedule import STEP_OF_REFUSED_ADDRESSES, WAIT_OF_REFUSED_ADDRESSES


class End(StrEnum):
    """How a callback ended. `dead` is a fault of ours, which an operator has to mend."""

    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    DISCARDED = "discarded"
    DEAD = "dead"


class Delivered(Struct, frozen=True):
    """The endpoint took the callback."""


class Gone(Struct, frozen=True):
    """The endpoint says that it exists no more (410): the callback is discarded and the endpoint disabled."""


class Discarded(Struct, frozen=True):
    """The receiver wants no other attempt of this one callback; `reason` is why."""

    reason: str


class Failed(Struct, frozen=True, kw_only=True):
    """Another attempt follows by the schedule.

    `throttle` holds back everything for this endpoint. The wait is at least `at_least`, and begins at `from_step` of
    the schedule or later; with `uses_step` false the attempt does not count as one of the schedule.
    """

    failure: str
    throttle: timedelta | None = None
    at_least: timedelta = timedelta(0)
    from_step: int = 0
    uses_step: bool = True


Verdict = Delivered | Gone | Discarded | Failed

ADDRESS_NOT_PUBLIC: Final = "address_not_public"
# A receiver that answers so is alive but busy, and may say for how long.
_BUSY: Final = frozenset({429, 502, 503, 504})
_TOO_MANY: Final = 429
_GONE: Final = 410


def of_answer(status: int, headers: Mapping[str, str], *, now: datetime) -> Verdict:
    """The verdict on an HTTP answer; the names of `headers` are in lower case."""
    if status == _GONE:
        return Gone()
    if _aborts(status, headers):
        return Discarded("by_receiver")
    if 200 <= status < 300:
        return Delivered()
    if 300 <= status < 400:
        return Failed(failure="redirect")
    pause = retry_after(headers, now=now) if status in _BUSY else None
    # A pause that the receiver names is no failure of the attempt, if it says 429: it has taken nothing in.
    return Failed(
        failure=f"http_{status}",
        throttle=pause,
        at_least=pause or timedelta(0),
        uses_step=status != _TOO_MANY or pause is None,
    )


def of_no_answer(failure: str) -> Verdict:
    """The verdict on an exchange without an answer; `failure` is a name such as `timeout` or `dns`."""
    if failure == ADDRESS_NOT_PUBLIC:
        return Failed(failure=failure, at_least=WAIT_OF_REFUSED_ADDRESSES, from_step=STEP_OF_REFUSED_ADDRESSES)
    return Failed(failure=failure)


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """The pause that the header of this name asks for, in seconds or until a date; None without a readable one."""
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        # More digits than this would be millennia.
        return timedelta(seconds=min(int(told[:10]), 10**9))
    try:
        until = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(until.replace(tzinfo=until.tzinfo or UTC) - now, timedelta(0))


def result_label(status: int | None, failure: str | None) -> str:
    """How the metric of attempts names a result."""
    if status is None:
        return failure or "ended"
    return str(status) if status in (_GONE, _TOO_MANY) else f"{status // 100}xx"


def _aborts(status: int, headers: Mapping[str, str]) -> bool:
    asked = headers.get("webhook-delivery", "").strip().lower() == "abort-message"
    return asked and (200 <= status < 300 or 400 <= status < 500)
