"""Cancels a message before a worker has claimed it."""

from messaging.application.messages.operating.locked_state import lock_one
from messaging.application.messages.reading.queries import own_message
from messaging.application.messages.reading.views import StatusView, links
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.messages.state import public
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.domain.tenants.tenant import Principal


class CancelMessage:
    """Cancels a message. Raises DomainError `state_conflict` once a worker has claimed it, because the provider may
    have it.
    """

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: MessageId) -> StatusView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            await own_message(uow.records, id)
            message = await lock_one(uow.lifecycles, principal.tenant_id, id)
            change = lifecycle.cancel(message, by=typeid(Prefix.KEY, principal.key_id))
            await uow.lifecycles.apply([change])
            await uow.commit()
        return StatusView(id=typeid(Prefix.MESSAGE, id), status=public(change.state), links=links(id))
