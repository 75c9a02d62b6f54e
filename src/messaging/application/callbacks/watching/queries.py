"""Reads what became of callbacks, for their tenant."""

from messaging.application.callbacks.watching.views import (
    CallbackAttemptView,
    CallbackDeliveriesView,
    CallbackDeliveryView,
    EndpointHealthView,
)
from messaging.application.ports.callbacks.deliveries import EndpointHealth
from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.secrets import KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import DeliveryLogRoles, OpenUnitOfWork
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.domain.shared.ids import CallbackAttemptId, CallbackEndpointId, CallbackEventId
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import Principal


class ListAttempts:
    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(
        self, principal: Principal, endpoint_id: CallbackEndpointId, *, before: CallbackAttemptId | None, limit: int
    ) -> Page[CallbackAttemptView, CallbackAttemptId]:
        """A page, newest first. Raises DomainError: not_found."""
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            await known(uow, endpoint_id)
            rows = await uow.callback_deliveries.attempts(endpoint_id, before=before, limit=limit + 1)
        return page_of(rows, limit, lambda row: row.id, lambda row: CallbackAttemptView.of(row, cipher))


class FindDeliveries:
    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, event_id: CallbackEventId) -> CallbackDeliveriesView:
        """Raises DomainError: not_found."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.callback_deliveries.of_event(event_id)
        if rows is None:
            raise not_found()
        return CallbackDeliveriesView(data=tuple(CallbackDeliveryView.of(row) for row in rows))


class FindEndpointHealth:
    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, endpoint_id: CallbackEndpointId) -> EndpointHealthView:
        """Raises DomainError: not_found."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            return EndpointHealthView.of(endpoint_id, await known(uow, endpoint_id))


async def known(uow: DeliveryLogRoles, endpoint_id: CallbackEndpointId) -> EndpointHealth:
    """Raises DomainError: not_found."""
    health = await uow.callback_deliveries.health(endpoint_id)
    if health is None:
        raise not_found()
    return health
