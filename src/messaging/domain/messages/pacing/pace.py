"""Fraction of its rate limit that a sender may use: lowered when the provider throttles it, raised again as CUBIC does.

A declared limit is rarely wrong by much. The fraction therefore rises fast to just below the value at which the
provider throttled, slowly past it, and then ever faster in case the provider allows more (RFC 9438, section 4.2).

All functions are pure; times are seconds of one clock that all processes share.
"""

from typing import Final

from msgspec import Struct

# What is left of the pace after a complaint, and never so little that recovery could not be seen.
LOWERED: Final = 0.7
FLOOR: Final = 0.05
# Seconds from there back to the pace that was complained about.
RECOVERY: Final = 5.0


class Pace(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`factor` was true at `lowered_at`; it rises from the end of the pause on. It lingers around `ceiling`, which the
    provider found too fast.
    """

    factor: float = 1.0
    ceiling: float = 1.0
    lowered_at: float = 0.0
    paused_until: float = 0.0


def factor_at(pace: Pace, now: float) -> float:
    """What the limit is to be multiplied with."""
    rested = max(0.0, now - max(pace.lowered_at, pace.paused_until))
    depth = max(pace.ceiling - pace.factor, FLOOR)
    return max(pace.factor, min(1.0, pace.ceiling + depth * (rested / RECOVERY - 1) ** 3))


def slow_down(pace: Pace, *, wait: float, began: float, now: float) -> Pace:
    """The provider complained and told to wait. What began before the last pause ended had been claimed before it
    began: it repeats that complaint, and lowers nothing again.
    """
    paused_until = max(pace.paused_until, now + wait)
    if began < max(pace.lowered_at, pace.paused_until):
        return Pace(factor=pace.factor, ceiling=pace.ceiling, lowered_at=pace.lowered_at, paused_until=paused_until)
    reached = factor_at(pace, now)
    # One that comes before the last ceiling was reached tells that there is less than that.
    ceiling = reached if reached >= pace.ceiling else reached * (1 + LOWERED) / 2
    return Pace(
        factor=max(FLOOR, reached * LOWERED), ceiling=max(FLOOR, ceiling), lowered_at=now, paused_until=paused_until
    )
