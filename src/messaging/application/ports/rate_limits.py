"""Port for rate limits that hold across all processes."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

from msgspec import Struct

CALM_SECONDS: Final = 0.5


class Bucket(Struct, frozen=True, kw_only=True):
    """A token every `interval` seconds, of which up to `burst` are handed out ahead of their time. For all
    processes it is known by its `key`.

    The same key may be asked for with another burst: who asks with less leaves the difference to the others.

    With a `window` the burst is borrowed from the future: for so many seconds up to `burst` messages pass, and then
    none until an interval has gone by for each of them.
    """

    key: str
    interval: float
    burst: int
    window: float = 0.0


class Verdict(Struct, frozen=True):
    """`denied_by` is the place of the bucket that makes the message wait longest, None if every bucket had a token.

    A message that was granted its tokens leaves after `wait`, an interval of each of its buckets or more behind the
    one before: bursts are handed out, but not sent. The wait of one that was denied ends when there may be tokens.

    `calm` says that for some time no bucket has given away more than a quarter of its tokens, but for a twentieth of a
    second's at once: such messages may be late by up to `CALM_SECONDS`, all of them, and their limits are kept.
    """

    denied_by: int | None = None
    wait: timedelta = timedelta(0)
    calm: bool = False


class RateLimits(Protocol):
    async def take(self, wanted: Sequence[Sequence[Bucket]]) -> Sequence[Verdict]:
        """For each message, in order, a token from each of its buckets or none at all; one atomic call.

        The messages that one borrowing bucket denies are told to come one interval after the other. Falls back to a
        conservative local part of each limit when Redis does not answer soon.
        """
        ...
