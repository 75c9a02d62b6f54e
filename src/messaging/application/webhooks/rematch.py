"""Matches parked receipts again: a receipt can arrive before the commit of the message it is about."""

from messaging.application.messages.tracking.reconcile import ReconcileReceipts
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork

_BATCH = 200


class RematchReceipts:
    """Matches receipts whose next look is due, one batch in each call."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork, reconcile: ReconcileReceipts) -> None:
        self._open_uow = open_uow
        self._reconcile = reconcile

    async def __call__(self) -> int:
        """The number of parked receipts that were due for a look; 0 when there is none. Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            looked_at = await self._reconcile.rematch(uow, _BATCH)
            await uow.commit()
        return looked_at
