"""How fast a sender may go, across all processes."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import SenderId


class Allowance(Struct, frozen=True):
    """`granted` of the asked-for sends may leave now; the rest in `retry_after` at the earliest."""

    granted: int
    retry_after: timedelta


class RateLimits(Protocol):
    async def take(self, wanted: Sequence[tuple[SenderId, int, float]]) -> Mapping[SenderId, Allowance]:
        """(sender, how many, per second) in one atomic call. Falls back to a conservative local share without Redis."""
        ...

    async def slow_down(self, sender: SenderId, pause: timedelta) -> None:
        """The provider throttled this sender: nobody takes a token for `pause`."""
        ...
