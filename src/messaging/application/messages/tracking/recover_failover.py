"""After a failover or a restore, marks messages that may have been sent as unknown before anything is claimed."""

import asyncio
import logging

from messaging.application import crashpoints
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, StoreUnavailable
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.transitions import failover
from messaging.domain.messages.transitions.lifecycle import EchoGrace

log = logging.getLogger(__name__)

_BATCH = 500
_LOOK_EVERY = 1.0


class NoticeFailover:
    """Detects a failover. Every process runs it, also those that settle nothing: messages accepted after detection are
    not in doubt.
    """

    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open_uow = open_uow

    async def __call__(self) -> bool:
        """Whether a failover still has to be settled. Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            pending = await uow.failovers.notice()
            if pending:
                await uow.commit()
        return pending

    async def watch(self) -> None:
        """Check every second until cancelled; it goes on while Postgres is away."""
        while True:
            try:
                await self()
            except StoreUnavailable:
                log.warning("failover.not_watching", extra={"store": "postgres"})
            await asyncio.sleep(_LOOK_EVERY)


class RecoverFailover:
    """Marks messages in doubt after a failover as unknown. Of several workers one does it, the others find nothing to
    do, and none of them claims messages.
    """

    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        notice: NoticeFailover,
        capabilities: AccountCapabilities,
        grace: EchoGrace = ECHO_GRACE,
    ) -> None:
        self._open_uow = open_uow
        self._notice = notice
        self._capabilities = capabilities
        self._grace = grace

    async def __call__(self) -> int:
        """The number of messages marked; when it returns without an error, messages may be claimed again. Raises
        StoreUnavailable.
        """
        if not await self._notice():
            return 0
        total = 0
        while (put_aside := await self._put_aside()) is not None:
            total += put_aside
        return total

    async def _put_aside(self) -> int | None:
        """Mark one batch; None when nothing is left to do here."""
        async with self._open_uow() as uow:
            if not await uow.failovers.take_turn():
                return None
            keys = await uow.failovers.doubtful(_BATCH)
            messages = (await uow.lifecycles.lock(keys)).values()
            changes = [
                failover.recover_failover(message, grace=self._grace, can=await self._capabilities(message))
                for message in messages
            ]
            await uow.lifecycles.apply([change for change in changes if change is not None])
            if not keys:
                await uow.failovers.settle()
            crashpoints.reach("recover_failover.before_commit")
            await uow.commit()
        log.warning("failover.put_aside" if keys else "failover.settled", extra={"messages": len(keys)})
        return len(keys) if keys else None
