"""Port for how much waits for endpoints, and how they are."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class CallbackDepths(Struct, frozen=True, kw_only=True):
    """`lanes` counts endpoints by the state of their breaker, `slow` those served apart.

    `due` callbacks have waited for their first look, of endpoints with a closed breaker; both they and those `held` are
    counted up to 10 000. `oldest_due` is how many seconds the oldest of those endpoints' lanes has been due,
    `oldest_pending` how many an event has waited to be fanned out.
    """

    lanes: Mapping[str, int]
    slow: int
    due: int
    held: int
    oldest_due: float
    oldest_pending: float


class CallbackVitals(Protocol):
    async def depths(self) -> CallbackDepths:
        """Of all tenants. Raises StoreUnavailable."""
        ...
