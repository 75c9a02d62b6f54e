"""What all changes of one endpoint begin with: it is locked, and has to be one that is posted to."""

from messaging.application.ports.unit_of_work import CallbackRoles
from messaging.domain.callbacks.endpoint import CallbackEndpoint
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import CallbackEndpointId
from messaging.domain.shared.refusals import not_found


async def locked(uow: CallbackRoles, id: CallbackEndpointId) -> CallbackEndpoint:
    """The endpoint under lock. Raises DomainError `not_found`."""
    endpoint = await uow.callback_endpoints.lock(id)
    if endpoint is None:
        raise not_found()
    return endpoint


def refuse_pulled(endpoint: CallbackEndpoint) -> None:
    """Raises DomainError `state_conflict` for an endpoint to which nothing is posted."""
    if endpoint.is_pulled:
        raise DomainError(
            "state_conflict", "Nothing is posted to this endpoint: its events are read with GET /v1/events."
        )
