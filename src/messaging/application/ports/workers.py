"""Port for the list of live workers and the lanes they serve, which each worker reports every few seconds."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.application.jobs import DeliverLane


class SeenWorker(Struct, frozen=True, kw_only=True):
    """One worker's last word; `age` is how many seconds ago that was, by the database's clock.

    `is_live` is false for one that has been silent for too long: killed, frozen, or cut off from the database.
    """

    name: str
    lanes: frozenset[DeliverLane]
    webhooks: bool
    started_at: datetime
    age: float
    is_live: bool


class Workers(Protocol):
    """Raises StoreUnavailable."""

    async def tell(self, name: str, lanes: Collection[DeliverLane], *, webhooks: bool) -> None:
        """This worker is there and takes these lanes; with `webhooks`, stored webhooks too."""
        ...

    async def leave(self, name: str) -> None:
        """This worker has ended in good order: nobody need miss it."""
        ...

    async def seen(self) -> Sequence[SeenWorker]:
        """Those of the last day that have not left, the most recently seen first."""
        ...


def served(workers: Collection[SeenWorker]) -> frozenset[DeliverLane]:
    """The lanes that some live worker takes."""
    return frozenset().union(*(worker.lanes for worker in workers if worker.is_live))
