"""Creates a callback endpoint with its first secret; the answer is the only place where the secret appears."""

import secrets
from collections.abc import Callable, Collection
from datetime import datetime

from messaging.application.callbacks.endpoints.sealing import CipherOf, seal_headers, seal_secret, seal_url
from messaging.application.callbacks.endpoints.views import CreatedCallbackEndpointView, fields_of
from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.secrets import TenantCipher
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.callbacks.body import API_VERSION
from messaging.domain.callbacks.endpoint import CallbackEndpoint, CallbackSecret, EndpointStatus
from messaging.domain.callbacks.rules.address import url_host
from messaging.domain.callbacks.rules.endpoint import Chosen, endpoint_violations
from messaging.domain.callbacks.signature import SECRET_BYTES, secret_text
from messaging.domain.shared.ids import CallbackEndpointId, CallbackSecretId
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.refusals import invalid
from messaging.domain.tenants.quotas import ConfigurationQuotas, quota_exceeded
from messaging.domain.tenants.tenant import Principal

# So many random bytes.
RandomBytes = Callable[[int], bytes]


class CreateEndpoint:
    """Events that happen from a second after its creation on are posted to it; earlier ones are not."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        cipher_of: CipherOf,
        clock: Clock,
        new_id: NewId,
        quotas: ConfigurationQuotas,
        denied_ports: Collection[int] = (),
        random: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._open = open_uow
        self._cipher_of = cipher_of
        self._clock = clock
        self._new_id = new_id
        self._quotas = quotas
        self._denied_ports = denied_ports
        self._random = random

    async def __call__(self, principal: Principal, chosen: Chosen) -> CreatedCallbackEndpointView:
        """Raises DomainError: validation_failed, quota_exceeded."""
        if found := endpoint_violations(chosen, principal.mode, self._denied_ports):
            raise invalid(*found)
        cipher = await self._cipher_of(principal.tenant_id)
        endpoint = self._endpoint(principal, chosen, cipher)
        key = None if endpoint.is_pulled else self._random(SECRET_BYTES)
        most = self._quotas.endpoints if principal.mode is Mode.LIVE else self._quotas.test_endpoints
        async with self._open(principal.tenant_id, principal.mode) as uow:
            if not await uow.callback_endpoints.has_room(most):
                raise quota_exceeded(f"callback endpoints in {principal.mode} mode", most)
            await uow.callback_endpoints.add(endpoint)
            if key is not None:
                secret = new_secret(cipher, endpoint.id, self._new_id, key, at=endpoint.created_at)
                await uow.callback_secrets.add(secret)
            await uow.commit()
        shown = None if key is None else secret_text(key)
        return CreatedCallbackEndpointView(**fields_of(endpoint, cipher, principal), secret=shown)

    def _endpoint(self, principal: Principal, chosen: Chosen, cipher: TenantCipher) -> CallbackEndpoint:
        id, now = CallbackEndpointId(self._new_id()), self._clock.now()
        return CallbackEndpoint(
            id=id,
            tenant_id=principal.tenant_id,
            mode=principal.mode,
            url_encrypted=None if chosen.url is None else seal_url(cipher, id, chosen.url),
            url_host=None if chosen.url is None else url_host(chosen.url),
            description=chosen.description,
            event_types=chosen.event_types,
            filters=chosen.filters,
            include=chosen.include,
            ordering=chosen.ordering,
            status=EndpointStatus.ENABLED,
            disabled_reason=None,
            max_in_flight=chosen.max_in_flight,
            rate=chosen.rate,
            headers_encrypted=seal_headers(cipher, id, chosen.headers),
            api_version=API_VERSION,
            created_at=now,
            updated_at=now,
        )


def new_secret(
    cipher: TenantCipher, endpoint_id: CallbackEndpointId, new_id: NewId, key: bytes, *, at: datetime
) -> CallbackSecret:
    """A secret that signs from `at` on, without an end."""
    id = CallbackSecretId(new_id())
    sealed = seal_secret(cipher, endpoint_id, id, key)
    return CallbackSecret(endpoint_id=endpoint_id, id=id, secret_encrypted=sealed, created_at=at)
