"""Discards callbacks that have been held for so long that nobody will ask for them any more."""

from datetime import timedelta
from typing import Final

from messaging.application.ports.callbacks.delivering.log import EndedCallback
from messaging.application.ports.unit_of_work import OpenCallbackQueue
from messaging.domain.callbacks.verdict import End

KEPT_HELD: Final = timedelta(days=30)
_PAGE: Final = 5_000


class DropOldHeld:
    def __init__(self, *, open_uow: OpenCallbackQueue) -> None:
        self._open = open_uow

    async def __call__(self) -> int:
        """How many were discarded. Raises StoreUnavailable."""
        total = 0
        while True:
            async with self._open() as uow:
                dropped = await uow.held_callbacks.drop_old(held_for=KEPT_HELD, limit=_PAGE)
                await uow.callback_log.end(
                    [
                        EndedCallback(
                            endpoint=it.endpoint,
                            event_id=it.event_id,
                            state=End.DISCARDED,
                            attempts=it.tries,
                            last_failure="held_too_long",
                        )
                        for it in dropped
                    ]
                )
                await uow.commit()
            total += len(dropped)
            if len(dropped) < _PAGE:
                return total
