"""Sends a dead, unconfirmed or failed message again, by an operator's decision."""

from messaging.application.messages.operating.locked_state import lock_one
from messaging.application.messages.reading.queries import own_message
from messaging.application.messages.reading.views import StatusView, links
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.messages.state import public
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import Principal


class RetryMessage:
    """Sends a message again. Raises DomainError: `state_conflict`, or `duplicate_risk` unless the caller accepts a
    possible duplicate.
    """

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: MessageId, *, possible_duplicate: bool) -> StatusView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            await own_message(uow.records, id)
            message = await lock_one(uow.lifecycles, principal.tenant_id, id)
            change = lifecycle.requeue(
                message, by=typeid(Prefix.KEY, principal.key_id), possible_duplicate=possible_duplicate
            )
            await uow.lifecycles.apply([change])
            await uow.commit()
        return StatusView(id=typeid(Prefix.MESSAGE, id), status=public(change.state), links=links(id))


class RetryDeadLetter:
    """Sends a dead letter's message again; leaving the state `dead` settles the dead letter."""

    def __init__(self, *, open_uow: OpenUnitOfWork, retry_message: RetryMessage) -> None:
        self._open = open_uow
        self._retry_message = retry_message

    async def __call__(self, principal: Principal, id: MessageId, *, possible_duplicate: bool) -> StatusView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            if await uow.dead_letters.find(id) is None:
                raise not_found()
        return await self._retry_message(principal, id, possible_duplicate=possible_duplicate)
