"""Fraction of its rate limit that a sender may use: lowered when the provider throttles it, raised again as CUBIC does.

A declared limit is rarely wrong by much. The fraction therefore rises fast to just below the value at which the
provider throttled, slowly past it, and then ever faster in case the provider allows more (RFC 9438, section 4.2).

All functions are pure; times are seconds of one clock that all processes share.
"""

from typing import Final

from msgspec import Struct

# The factor that a throttling answer multiplies the pace with, and the lowest pace, from which recovery can still be
# observed.
LOWERED: Final = 0.7
FLOOR: Final = 0.05
# Seconds from the lowered pace back to the pace at which the provider throttled.
RECOVERY: Final = 5.0


class Pace(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`factor` applied at `lowered_at`; it rises again from the end of the pause (`paused_until`) on. It rises slowly
    near `ceiling`, the value at which the provider throttled.
    """

    factor: float = 1.0
    ceiling: float = 1.0
    lowered_at: float = 0.0
    paused_until: float = 0.0


def factor_at(pace: Pace, now: float) -> float:
    """The factor to multiply the rate limit with at `now`."""
    rested = max(0.0, now - max(pace.lowered_at, pace.paused_until))
    depth = max(pace.ceiling - pace.factor, FLOOR)
    return max(pace.factor, min(1.0, pace.ceiling + depth * (rested / RECOVERY - 1) ** 3))


def slow_down(pace: Pace, *, wait: float, began: float, now: float) -> Pace:
    """The pace after the provider throttled a send and asked to wait `wait` seconds. A send that began before the last
    pause ended had been claimed before that pause: its answer repeats the earlier one and lowers nothing again.
    """
    paused_until = max(pace.paused_until, now + wait)
    if began < max(pace.lowered_at, pace.paused_until):
        return Pace(factor=pace.factor, ceiling=pace.ceiling, lowered_at=pace.lowered_at, paused_until=paused_until)
    reached = factor_at(pace, now)
    # Throttling before the last ceiling was reached shows that the provider allows less than that ceiling.
    ceiling = reached if reached >= pace.ceiling else reached * (1 + LOWERED) / 2
    return Pace(
        factor=max(FLOOR, reached * LOWERED), ceiling=max(FLOOR, ceiling), lowered_at=now, paused_until=paused_until
    )
