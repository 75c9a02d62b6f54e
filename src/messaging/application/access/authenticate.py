"""Identifies the holder of a key from memory: format and checksum first, then the snapshot, then the secret."""

import hashlib
import hmac
from typing import assert_never

from msgspec import Struct

from messaging.application.access.keys import KeyKind, KeyText, parse_key
from messaging.application.ports.clock import Clock
from messaging.application.ports.snapshots import Snapshots
from messaging.domain.shared.ids import KeyId
from messaging.domain.tenants.tenant import Principal, TenantStatus

# Compared with when the key does not exist, so that an unknown id takes as long as a wrong secret.
_NOBODY = hashlib.sha256(b"nobody").digest()


class Admin(Struct, frozen=True, kw_only=True):
    """A platform administrator, through one of the platform's keys."""

    key_id: KeyId


class Unknown(Struct, frozen=True):
    """The key is missing, foreign, mistyped, revoked, expired or of the other kind: the caller is not told which."""


class Suspended(Struct, frozen=True):
    """A valid key of a suspended tenant."""


class Authenticate:
    """Identifies the holder of a key. Tenants' keys never open the admin API, administrators' keys never a tenant's."""

    def __init__(self, *, snapshots: Snapshots, clock: Clock) -> None:
        self._snapshots = snapshots
        self._clock = clock

    async def tenant(self, text: str) -> Principal | Suspended | Unknown:
        key = parse_key(text)
        if key is None or key.kind is KeyKind.ADMIN:
            return Unknown()
        stored = await self._snapshots.api_key(key.public_id)
        if stored is None:
            _compare_in_vain(key)
            return Unknown()
        if not stored.opens_with(key.secret, now=self._clock.now()) or stored.mode.value != key.kind.value:
            return Unknown()
        snapshot = await self._snapshots.tenant(stored.tenant_id)
        if snapshot is None:
            return Unknown()
        match snapshot.tenant.status:
            case TenantStatus.SUSPENDED:
                return Suspended()
            case TenantStatus.ACTIVE:
                return Principal(tenant_id=stored.tenant_id, key_id=stored.id, mode=stored.mode, role=stored.role)
            case _:
                assert_never(snapshot.tenant.status)

    def is_in_use(self, text: str) -> bool:
        """Whether this looks like a key that was valid lately, without a query; it may still be invalid."""
        key = parse_key(text)
        return key is not None and self._snapshots.remembers_key(key.public_id)

    async def admin(self, text: str) -> Admin | Unknown:
        key = parse_key(text)
        if key is None or key.kind is not KeyKind.ADMIN:
            return Unknown()
        stored = await self._snapshots.admin_key(key.public_id)
        if stored is None:
            _compare_in_vain(key)
            return Unknown()
        return Admin(key_id=stored.id) if stored.opens_with(key.secret, now=self._clock.now()) else Unknown()


def _compare_in_vain(key: KeyText) -> None:
    hmac.compare_digest(key.secret_sha256, _NOBODY)
