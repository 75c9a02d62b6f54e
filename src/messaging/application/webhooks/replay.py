"""Makes stored webhooks due again: those set aside, and those that came before their sender was connected."""

from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork

# The number of webhooks per transaction; many may have come to a number before it was connected.
_AT_ONCE = 1_000


class ReplayWebhooks:
    """Makes webhooks that were set aside due again, those that have waited longest first."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open_uow = open_uow

    async def __call__(self, limit: int) -> int:
        """The number of webhooks that are due again, at most `limit`; those that fail again are set aside again. Raises
        StoreUnavailable.
        """
        async with self._open_uow() as uow:
            count = await uow.raw_webhooks.put_back(limit)
            if count < limit:
                count += await uow.raw_webhooks.put_back_connected(limit - count)
            await uow.commit()
        return count


class TakeInConnected:
    """Turns messages to a number that has become a sender since into inbound messages."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open_uow = open_uow

    async def __call__(self) -> int:
        """The number of webhooks that are due again. Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            count = await uow.raw_webhooks.put_back_connected(_AT_ONCE)
            await uow.commit()
        return count
