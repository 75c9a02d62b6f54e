"""Schedule of a callback: how long each wait before another attempt is, and when its window is over.

The waits of a live event add up to 24 hours. The last attempt is made when the window ends, whatever came before.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from messaging.domain.shared.mode import Mode

# Each wait is varied at random by up to this fraction of it, so that callbacks that failed together do not come back
# together.
JITTER: Final = 0.1
# The longest that a receiver can hold back everything for its endpoint by `retry-after`.
LONGEST_THROTTLE: Final = timedelta(hours=1)
_SHORTEST_THROTTLE: Final = timedelta(seconds=1)

_SECOND: Final = timedelta(seconds=1)
WINDOWS: Final = {Mode.LIVE: timedelta(hours=24), Mode.TEST: timedelta(seconds=155)}
# The wait after the first attempt, after the second, and so on; after the last of them the rest of the window.
WAITS: Final = {
    Mode.LIVE: tuple(n * _SECOND for n in (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800)),
    Mode.TEST: (5 * _SECOND, 30 * _SECOND),
}
# The step of the live schedule whose wait is ten minutes; an address that is refused is mended by a person, not by us.
STEP_OF_REFUSED_ADDRESSES: Final = 3
WAIT_OF_REFUSED_ADDRESSES: Final = timedelta(minutes=15)


class TryAgain(Struct, frozen=True):
    """Another attempt is due at `at`; `step` counts the waits that are used up then."""

    at: datetime
    step: int


def next_attempt(
    mode: Mode,
    *,
    step: int,
    now: datetime,
    window_ends_at: datetime,
    chance: float,
    at_least: timedelta = timedelta(0),
    uses_step: bool = True,
) -> TryAgain | None:
    """What follows a failed attempt at `now`; None if that was the last.

    `step` counts the waits used up before. `chance` is a random number from 0 to 1. A wait that would pass the end of
    the window ends there.
    """
    if now >= window_ends_at:
        return None
    used = step + 1 if uses_step else step
    waits = WAITS[mode]
    if step >= len(waits):
        return TryAgain(window_ends_at, used)
    wait = max(waits[step] * (1 + JITTER * (2 * chance - 1)), at_least)
    return TryAgain(min(now + wait, window_ends_at), used)


def throttled_until(*, now: datetime, retry_after: timedelta, window_ends_at: datetime) -> datetime:
    """How long nothing is sent to an endpoint that asked for a pause: an hour at most, and not past the end of the
    window of the callback that it answered.
    """
    wait = min(max(retry_after, _SHORTEST_THROTTLE), LONGEST_THROTTLE)
    return min(now + wait, max(window_ends_at, now + _SHORTEST_THROTTLE))
