"""Sends a test event to one callback endpoint, by the way that every other event takes."""

from typing import Annotated

from msgspec import Meta, Struct

from messaging.application.callbacks.endpoints.one_endpoint import locked, refuse_pulled
from messaging.application.ports.callbacks.announcements import Announcement, SubjectKind
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.callbacks.endpoint import TEST_EVENT, EndpointStatus
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import CallbackEndpointId, Prefix, typeid
from messaging.domain.tenants.tenant import Principal


class SentTestView(Struct, frozen=True, kw_only=True):
    """A test event was recorded, and will be posted to this endpoint only."""

    endpoint_id: Annotated[str, Meta(description="The endpoint that it goes to.")]
    type: Annotated[str, Meta(description="`endpoint.test`.")]
    links: Annotated[dict[str, str], Meta(description="`deliveries` shows what the endpoint answers.")]


class SendTest:
    """Whatever types and filters the endpoint has chosen, the event goes to it, and to no other endpoint."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: CallbackEndpointId) -> SentTestView:
        """Raises DomainError: not_found, state_conflict."""
        public_id = typeid(Prefix.CALLBACK_ENDPOINT, id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            endpoint = await locked(uow, id)
            refuse_pulled(endpoint)
            if endpoint.status is not EndpointStatus.ENABLED:
                detail = f"The endpoint is {endpoint.status}: nothing is posted to it. Resume or enable it first."
                raise DomainError("state_conflict", detail)
            test = Announcement(
                tenant_id=principal.tenant_id,
                mode=principal.mode,
                kind=SubjectKind.ENDPOINT,
                subject_id=id,
                type=TEST_EVENT,
                data={"id": public_id, "status": endpoint.status.value},
            )
            await uow.announcements.announce([test])
            await uow.commit()
        deliveries = f"/v1/callback-endpoints/{public_id}/deliveries"
        return SentTestView(endpoint_id=public_id, type=TEST_EVENT, links={"deliveries": deliveries})
