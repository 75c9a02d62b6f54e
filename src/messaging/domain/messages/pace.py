"""How much of its limit may a sender use after the provider said "too fast"? Down at once, up again little by little.

Pure: times are seconds of one clock that all processes share.
"""

from typing import Final

from msgspec import Struct

# Halved with every complaint, but never so low that recovery could not be seen.
LOWERED: Final = 0.5
FLOOR: Final = 0.05
# Part of the limit regained in a second without complaints: from half to full in ten.
REGAINED: Final = 0.05


class Pace(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`factor` was true at `lowered_at`; it rises from the end of the pause on."""

    factor: float = 1.0
    lowered_at: float = 0.0
    paused_until: float = 0.0


def factor_at(pace: Pace, now: float) -> float:
    """What the limit is to be multiplied with."""
    rested = max(0.0, now - max(pace.lowered_at, pace.paused_until))
    return min(1.0, pace.factor + REGAINED * rested)


def slow_down(pace: Pace, *, wait: float, began: float, now: float) -> Pace:
    """The provider complained and told to wait. What began before the last pause ended had been claimed before it
    began: it repeats that complaint, and lowers nothing again.
    """
    paused_until = max(pace.paused_until, now + wait)
    if began < max(pace.lowered_at, pace.paused_until):
        return Pace(factor=pace.factor, lowered_at=pace.lowered_at, paused_until=paused_until)
    factor = max(FLOOR, factor_at(pace, now) * LOWERED)
    return Pace(factor=factor, lowered_at=now, paused_until=paused_until)
