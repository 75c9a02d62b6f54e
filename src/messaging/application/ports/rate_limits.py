"""Port for rate limits that hold across all processes."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

from msgspec import Struct

CALM_SECONDS: Final = 0.5


class Bucket(Struct, frozen=True, kw_only=True):
    """A token bucket, shared by all processes that use its `key`. It gets a token every `interval` seconds; up to
    `burst` tokens may be taken ahead of their time.

    Callers may use the same key with different bursts: one with a smaller burst leaves the difference to the others.

    With a `window` in seconds, a burst is borrowed from the future: up to `burst` messages pass within the window, and
    then none until an interval has passed for each of them.

    With a `period` in seconds, at most `burst` messages pass in any time of that length, however they are spread. The
    count is kept in 144 parts of the period, so a message counts for up to one part too long. `interval` is then the
    period's part for one message.
    """

    key: str
    interval: float
    burst: int
    window: float = 0.0
    period: float = 0.0


class Verdict(Struct, frozen=True):
    """The answer for one message. `denied_by` is the index of the bucket that makes it wait longest; None if it got its
    tokens.

    A message that got its tokens may leave after `wait`: at least one interval of each of its buckets behind the
    message before, so that tokens taken in a burst are not sent in a burst. For a denied message, `wait` is the time
    until tokens may be available.

    `calm` says that no bucket has lately given away more than a quarter of its tokens, apart from what a twentieth of a
    second yields. Calm messages may leave up to `CALM_SECONDS` late without any limit being exceeded.
    """

    denied_by: int | None = None
    wait: timedelta = timedelta(0)
    calm: bool = False


class RateLimits(Protocol):
    """Token buckets that all processes share."""

    async def take(self, wanted: Sequence[Sequence[Bucket]]) -> Sequence[Verdict]:
        """Take, for each message in order, one token from each of its buckets, or none at all; the call is atomic.

        Messages denied by a bucket with a window get waits that are one interval apart. If Redis does not answer soon,
        each process grants a conservative part of every limit by itself.
        """
        ...

    async def charge(self, bucket: Bucket, tokens: int) -> None:
        """Take tokens of a bucket without window or period that are used up in any case, be they there or not: whoever
        comes next waits for them.
        """
        ...
