"""Changes what a tenant has chosen about a callback endpoint, or deletes it."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from messaging.application.callbacks.endpoints.one_endpoint import locked
from messaging.application.callbacks.endpoints.sealing import (
    CipherOf,
    open_headers,
    open_url,
    seal_headers,
    seal_url,
)
from messaging.application.callbacks.endpoints.views import CallbackEndpointView
from messaging.application.ports.clock import Clock
from messaging.application.ports.secrets import TenantCipher
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.callbacks.endpoint import CallbackEndpoint, EndpointStatus, Include, Ordering
from messaging.domain.callbacks.rules.address import url_host
from messaging.domain.callbacks.rules.endpoint import Chosen, endpoint_violations
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import CallbackEndpointId
from messaging.domain.shared.refusals import invalid
from messaging.domain.tenants.tenant import Principal


class EndpointChanges(Struct, frozen=True, kw_only=True):
    """What is to be changed; what is UNSET stays. `headers` replaces all of them."""

    url: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    event_types: tuple[str, ...] | UnsetType = UNSET
    filters: Mapping[str, str] | UnsetType = UNSET
    include: tuple[Include, ...] | UnsetType = UNSET
    ordering: Ordering | UnsetType = UNSET
    max_in_flight: int | UnsetType = UNSET
    rate: int | UnsetType | None = UNSET
    headers: Mapping[str, str] | UnsetType = UNSET

    def given(self) -> dict[str, Any]:
        """The changes by field."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}


class ChangeEndpoint:
    """In force within a second, also for events that wait already: they are posted to the new URL."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        cipher_of: CipherOf,
        clock: Clock,
        denied_ports: Collection[int] = (),
    ) -> None:
        self._denied_ports = denied_ports
        self._open = open_uow
        self._cipher_of = cipher_of
        self._clock = clock

    async def __call__(
        self, principal: Principal, id: CallbackEndpointId, changes: EndpointChanges
    ) -> CallbackEndpointView:
        """Raises DomainError: not_found, state_conflict, validation_failed."""
        cipher = await self._cipher_of(principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            endpoint = await locked(uow, id)
            if endpoint.is_pulled and changes.url is not UNSET:
                raise DomainError("state_conflict", _NEVER_POSTED)
            chosen = replace(_chosen(endpoint, cipher), **changes.given())
            if found := endpoint_violations(chosen, principal.mode, self._denied_ports):
                raise invalid(*found)
            changed = replace(_with(endpoint, chosen, cipher), updated_at=self._clock.now())
            await uow.callback_endpoints.update(changed)
            await uow.commit()
        return CallbackEndpointView.of(changed, cipher, principal)


class DeleteEndpoint:
    """Ends an endpoint: what waits for it is not posted any more, and its URL, headers and secrets are erased."""

    def __init__(self, *, open_uow: OpenUnitOfWork, cipher_of: CipherOf, clock: Clock) -> None:
        self._open = open_uow
        self._cipher_of = cipher_of
        self._clock = clock

    async def __call__(self, principal: Principal, id: CallbackEndpointId) -> CallbackEndpointView:
        """Raises DomainError: not_found."""
        cipher = await self._cipher_of(principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            endpoint = await locked(uow, id)
            gone = replace(
                endpoint,
                url_encrypted=None,
                url_host=None,
                headers_encrypted=None,
                status=EndpointStatus.DELETED,
                disabled_reason=None,
                updated_at=self._clock.now(),
            )
            await uow.callback_endpoints.update(gone)
            await uow.callback_secrets.forget(id, keep_current=False)
            await uow.commit()
        return CallbackEndpointView.of(gone, cipher, principal)


def _chosen(endpoint: CallbackEndpoint, cipher: TenantCipher) -> Chosen:
    return Chosen(
        url=open_url(cipher, endpoint),
        description=endpoint.description,
        event_types=endpoint.event_types,
        filters=endpoint.filters,
        include=endpoint.include,
        ordering=endpoint.ordering,
        max_in_flight=endpoint.max_in_flight,
        rate=endpoint.rate,
        headers=open_headers(cipher, endpoint),
    )


def _with(endpoint: CallbackEndpoint, chosen: Chosen, cipher: TenantCipher) -> CallbackEndpoint:
    return replace(
        endpoint,
        url_encrypted=None if chosen.url is None else seal_url(cipher, endpoint.id, chosen.url),
        url_host=None if chosen.url is None else url_host(chosen.url),
        description=chosen.description,
        event_types=chosen.event_types,
        filters=chosen.filters,
        include=chosen.include,
        ordering=chosen.ordering,
        max_in_flight=chosen.max_in_flight,
        rate=chosen.rate,
        headers_encrypted=seal_headers(cipher, endpoint.id, chosen.headers),
    )


_NEVER_POSTED = "Nothing is posted to this endpoint, and that cannot be changed. Create another one with a URL."
