"""Expire what is not claimed: the messages of held senders end on time, although nobody tries to send them."""

from collections.abc import Mapping

from messaging.application.messages.guard_senders import GuardSenders
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.domain.messages import lifecycle
from messaging.domain.shared.ids import SenderId, TenantId

_BATCH = 200


class ExpireHeld:
    def __init__(self, *, open_uow: OpenSystemUnitOfWork, guard: GuardSenders) -> None:
        self._open_uow = open_uow
        self._guard = guard

    async def __call__(self) -> int:
        """How many messages expired; nothing is asked of Postgres while no sender is held. Raises StoreUnavailable."""
        expired = 0
        while (held := self._guard.held()) and (count := await self._expire(held)):
            expired += count
            if count < _BATCH:
                break
        return expired

    async def _expire(self, held: Mapping[SenderId, TenantId]) -> int:
        async with self._open_uow() as uow:
            standings = await uow.lifecycles.lock_expired(held, _BATCH)
            changes = [change for standing in standings if (change := lifecycle.expire(standing)) is not None]
            await uow.lifecycles.apply(changes)
            await uow.commit()
        return len(changes)
