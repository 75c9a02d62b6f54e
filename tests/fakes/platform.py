"""Tenants, their wrapped keys and all senders, in memory."""

from collections.abc import Sequence
from uuid import UUID

from messaging.application.ports.platform import WrappedKey
from messaging.domain.shared.ids import AccountId, SenderId, TenantId
from messaging.domain.tenants.tenant import Sender, Tenant


class InMemoryPlatform:
    """`senders` are those of every tenant, and `data_keys` hold a wrapped key for each tenant that was added."""

    def __init__(self, *tenants: Tenant, senders: Sequence[Sender] = ()) -> None:
        self.tenants_: dict[TenantId, Tenant] = {tenant.id: tenant for tenant in tenants}
        self.data_keys: dict[TenantId, WrappedKey] = {}
        self.senders = list(senders)

    async def add_tenant(self, tenant: Tenant, key: WrappedKey) -> None:
        self.tenants_[tenant.id] = tenant
        self.data_keys[key.tenant_id] = key

    async def update_tenant(self, tenant: Tenant) -> None:
        self.tenants_[tenant.id] = tenant

    async def tenant(self, id: TenantId) -> Tenant | None:
        return self.tenants_.get(id)

    async def lock_tenant(self, id: TenantId) -> Tenant | None:
        return self.tenants_.get(id)

    async def tenants(self, *, before: UUID | None, limit: int) -> Sequence[Tenant]:
        newest_first = [self.tenants_[id] for id in sorted(self.tenants_, reverse=True)]
        return [tenant for tenant in newest_first if before is None or tenant.id < before][:limit]

    async def senders_by_external_id(
        self, wanted: Sequence[tuple[AccountId, str]]
    ) -> dict[tuple[AccountId, str], SenderId]:
        found = {(sender.account_id, sender.external_id): sender.id for sender in self.senders}
        return {place: found[place] for place in wanted if place in found}
