"""Releases held messages whose template may be sent again."""

from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork

_BATCH = 500


class ReleaseHeld:
    """Makes messages due whose template may be sent again, one batch in each call."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open_uow = open_uow

    async def __call__(self) -> int:
        """The number of messages released; 0 when none may be now. Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            released = await uow.held_messages.release_some(_BATCH)
            await uow.commit()
        return released
