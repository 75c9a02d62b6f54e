"""Port for what belongs to the platform and not to one tenant: tenants, wrapped data keys, senders by external id."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from messaging.domain.shared.ids import AccountId, SenderId, TenantId
from messaging.domain.tenants.tenant import Tenant


class WrappedKey(Struct, frozen=True, kw_only=True):
    """A tenant's data key, encrypted under the master key; the highest `version` encrypts, all decrypt."""

    tenant_id: TenantId
    version: int
    wrapped: bytes


class Platform(Protocol):
    """All tenants. Bound to an open transaction of the platform."""

    async def add_tenant(self, tenant: Tenant, key: WrappedKey) -> None: ...

    async def update_tenant(self, tenant: Tenant) -> None: ...

    async def tenant(self, id: TenantId) -> Tenant | None: ...

    async def lock_tenant(self, id: TenantId) -> Tenant | None:
        """The tenant, locked: other transactions that change it wait until this one ends."""
        ...

    async def tenants(self, *, before: UUID | None, limit: int) -> Sequence[Tenant]:
        """A page of tenants, newest first."""
        ...

    async def senders_by_external_id(
        self, wanted: Sequence[tuple[AccountId, str]]
    ) -> dict[tuple[AccountId, str], SenderId]:
        """The senders with these ids at their providers, each within its account; unknown ones are left out."""
        ...
