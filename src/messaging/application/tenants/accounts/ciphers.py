"""Builds the cipher for a tenant's secrets from data keys held in memory."""

from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.submissions import Fingerprint
from messaging.application.tenants.accounts.connections import AccountCredentials
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import TenantScope
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import ProviderAccount


async def cipher_of(snapshots: Snapshots, key_ring: KeyRing, tenant_id: TenantId) -> TenantCipher:
    """The tenant's cipher. An unknown tenant gets the same error as any unknown id."""
    snapshot = await snapshots.tenant(tenant_id)
    if snapshot is None:
        raise not_found()
    return key_ring.cipher(tenant_id, snapshot.data_keys)


class FingerprintRequests:
    """Fingerprints that identify a request, under a key of its tenant, or of the platform for the admin API."""

    def __init__(self, *, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(self, scope: TenantScope | None, digest: bytes) -> Fingerprint:
        if scope is None:
            return Fingerprint(self._key_ring.fingerprint(digest), digest)
        cipher = await cipher_of(self._snapshots, self._key_ring, scope.tenant_id)
        return Fingerprint(cipher.fingerprint(digest), digest)


class OpenAccount:
    """Opens a stored provider account for calls. Other slices are given it as a function."""

    def __init__(self, *, snapshots: Snapshots, key_ring: KeyRing, credentials: AccountCredentials) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._credentials = credentials

    async def __call__(self, account: ProviderAccount) -> Connection:
        """Raises CannotDecrypt under another master key."""
        cipher = await cipher_of(self._snapshots, self._key_ring, account.tenant_id)
        return self._credentials.connect(account, cipher)
