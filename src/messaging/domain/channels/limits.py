"""The limits of sending in a provider's own terms."""

from datetime import timedelta
from typing import Literal

from msgspec import Struct


class PairLimit(Struct, frozen=True, kw_only=True):
    """Messages between one sender and one recipient: one per `interval` on average, `burst` of them at once."""

    interval: timedelta
    burst: int


class SendLimits(Struct, frozen=True, kw_only=True):
    """`per_second` is a sender's throughput where nothing else is known of it, counted in `unit`s.

    An SMS has one segment or several, and some providers count those. `per_day` is the most an account may send in 24
    hours; None where the provider names no such limit.
    """

    per_second: int
    unit: Literal["message", "segment"] = "message"
    per_day: int | None = None
    per_pair: PairLimit | None = None
