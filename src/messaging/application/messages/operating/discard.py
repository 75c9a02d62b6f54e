"""Settles a dead letter without sending it, by an operator's decision."""

from messaging.application.messages.operating.locked_state import lock_one
from messaging.application.messages.reading.queries import own_message
from messaging.application.messages.reading.views import DeadLetterView
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import Principal


class DiscardDeadLetter:
    """Discards a dead letter. The message stays `dead`, and its timeline says who discarded it and why."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: MessageId, *, reason: str) -> DeadLetterView:
        """Raises DomainError: `not_found`, or `state_conflict` for a dead letter that is settled already."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            await own_message(uow.records, id)
            await lock_one(uow.lifecycles, principal.tenant_id, id)
            by = typeid(Prefix.KEY, principal.key_id)
            discarded = await uow.dead_letters.discard([id], by=by, reason=reason)
            letter = await uow.dead_letters.find(id)
            if letter is None:
                raise not_found()
            if not discarded:
                raise DomainError("state_conflict", "This dead letter is settled already.")
            await uow.commit()
        return DeadLetterView.of(letter)
