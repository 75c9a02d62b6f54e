"""Port for the list of live workers and the lanes they serve, which each worker reports every few seconds."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.application.wakeups import DeliverLane


class SeenWorker(Struct, frozen=True, kw_only=True):
    """A worker's last report; `age` is the time since it, in seconds, by the database's clock.

    `is_live` is false for a worker that has not reported for too long: killed, frozen, or cut off from the database.
    """

    name: str
    lanes: frozenset[DeliverLane]
    webhooks: bool
    started_at: datetime
    age: float
    is_live: bool


class Workers(Protocol):
    """The reports of workers. Every method raises StoreUnavailable."""

    async def tell(self, name: str, lanes: Collection[DeliverLane], *, webhooks: bool) -> None:
        """Report that this worker is live and takes messages of these lanes and, with `webhooks`, stored webhooks."""
        ...

    async def leave(self, name: str) -> None:
        """Delete the report of a worker that ends in good order."""
        ...

    async def seen(self) -> Sequence[SeenWorker]:
        """The workers that reported within the last day and have not left, the most recent report first."""
        ...


def served(workers: Collection[SeenWorker]) -> frozenset[DeliverLane]:
    """The lanes whose messages some live worker takes."""
    return frozenset().union(*(worker.lanes for worker in workers if worker.is_live))
