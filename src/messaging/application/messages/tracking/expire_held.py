"""Expires messages of held senders and ends their expired leases, which otherwise happens when messages are claimed.

Messages of a held sender are not claimed, and an expired lease must not wait for the sender to recover.
"""

from collections.abc import Mapping

from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import SenderId, TenantId

_BATCH = 200


class ExpireHeld:
    """Expires messages of senders that are held now, and gives up attempts of theirs whose lease has ended."""

    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        breakers: CircuitBreakers,
        capabilities: AccountCapabilities,
        grace: lifecycle.EchoGrace = ECHO_GRACE,
    ) -> None:
        self._open_uow = open_uow
        self._breakers = breakers
        self._capabilities = capabilities
        self._grace = grace

    async def __call__(self) -> int:
        """The number of messages that moved; queries nothing while no sender is held. Raises StoreUnavailable."""
        moved = 0
        while (held := self._breakers.held()) and (count := await self._move(held)):
            moved += count
            if count < _BATCH:
                break
        return moved

    async def _move(self, held: Mapping[SenderId, TenantId]) -> int:
        async with self._open_uow() as uow:
            expired = map(lifecycle.expire, await uow.unserved_messages.lock_expired(held, _BATCH))
            lost = [
                lifecycle.give_up(it, grace=self._grace, can=await self._capabilities(it))
                for it in await uow.unserved_messages.lock_lost(held, _BATCH)
            ]
            changes = [change for change in (*expired, *lost) if change is not None]
            await uow.lifecycles.apply(changes)
            await uow.commit()
        return len(changes)
