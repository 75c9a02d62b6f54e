"""Makes stored webhooks due again: those that failed, and those that came before their sender was connected."""

from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork

# Webhooks a look; what a number got before it was connected may be much.
_AT_ONCE = 1_000


class ReplayWebhooks:
    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open_uow = open_uow

    async def __call__(self, limit: int) -> int:
        """How many are due again; those that fail again are set aside again. Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            count = await uow.raw_webhooks.put_back(limit)
            if count < limit:
                count += await uow.raw_webhooks.put_back_connected(limit - count)
            await uow.commit()
        return count


class TakeInConnected:
    """Messages that were written to a number before it was connected become inbound messages after it has been."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open_uow = open_uow

    async def __call__(self) -> int:
        """How many webhooks are due again. Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            count = await uow.raw_webhooks.put_back_connected(_AT_ONCE)
            await uow.commit()
        return count
