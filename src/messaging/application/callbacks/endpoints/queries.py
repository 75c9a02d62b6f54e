"""Reads a tenant's callback endpoints."""

from uuid import UUID

from messaging.application.callbacks.endpoints.sealing import CipherOf
from messaging.application.callbacks.endpoints.views import CallbackEndpointDetailView, CallbackEndpointView
from messaging.application.ports.clock import Clock
from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.shared.ids import CallbackEndpointId
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import Principal


class FindEndpoint:
    def __init__(self, *, open_uow: OpenUnitOfWork, cipher_of: CipherOf, clock: Clock) -> None:
        self._open = open_uow
        self._cipher_of = cipher_of
        self._clock = clock

    async def __call__(self, principal: Principal, id: CallbackEndpointId) -> CallbackEndpointDetailView:
        """Raises DomainError: not_found."""
        cipher = await self._cipher_of(principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            endpoint = await uow.callback_endpoints.endpoint(id)
            if endpoint is None:
                raise not_found()
            secrets = await uow.callback_secrets.live(id, at=self._clock.now())
        return CallbackEndpointDetailView.with_secrets(endpoint, secrets, cipher, principal)


class ListEndpoints:
    def __init__(self, *, open_uow: OpenUnitOfWork, cipher_of: CipherOf) -> None:
        self._open = open_uow
        self._cipher_of = cipher_of

    async def __call__(
        self, principal: Principal, *, before: UUID | None, limit: int
    ) -> Page[CallbackEndpointView, UUID]:
        cipher = await self._cipher_of(principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.callback_endpoints.endpoints(before=before, limit=limit + 1)
        return page_of(
            rows, limit, lambda endpoint: endpoint.id, lambda it: CallbackEndpointView.of(it, cipher, principal)
        )
