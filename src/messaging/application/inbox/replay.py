"""Have callbacks that were set aside processed once more, when what kept them from it has been mended."""

from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork


class ReplayCallbacks:
    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open_uow = open_uow

    async def __call__(self, limit: int) -> int:
        """How many are due again; those that fail again are set aside again. Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            count = await uow.callbacks.put_back(limit)
            await uow.commit()
        return count
