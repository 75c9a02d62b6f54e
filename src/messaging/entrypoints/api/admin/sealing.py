"""Encrypts remembered answers that hold a secret, under the tenant's data key or one of the platform's."""

from messaging.application.ports.secrets import KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.domain.shared.ids import Prefix, TenantId, typeid
from messaging.entrypoints.api.edge.idempotency import Sealing


class SealForTenant:
    def __init__(self, *, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(self, tenant_id: TenantId) -> Sealing:
        """Encryption under the tenant's data key. Raises DomainError `not_found` for an unknown tenant."""
        cipher = await cipher_of(self._snapshots, self._key_ring, tenant_id)
        context = f"idempotency_keys.body:{typeid(Prefix.TENANT, tenant_id)}"
        return Sealing(seal=lambda plain: cipher.seal(context, plain), open=lambda sealed: cipher.open(context, sealed))


class SealForPlatform:
    """Encryption, under a key of the platform's, of answers about what belongs to no tenant."""

    def __init__(self, *, key_ring: KeyRing) -> None:
        self._key_ring = key_ring

    def __call__(self) -> Sealing:
        cipher = self._key_ring.platform_cipher()
        context = "idempotency_keys.body:platform"
        return Sealing(seal=lambda plain: cipher.seal(context, plain), open=lambda sealed: cipher.open(context, sealed))
