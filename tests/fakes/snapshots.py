"""Configuration that is simply there."""

from messaging.application.ports.snapshots import TenantSnapshot
from messaging.domain.shared.ids import AccountId, TenantId
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.tenant import ApiKey, ProviderAccount


class InMemorySnapshots:
    """What the test puts in: tenants, and keys by public id. Accounts are found in the tenants."""

    def __init__(
        self, *tenants: TenantSnapshot, api_keys: tuple[ApiKey, ...] = (), admin_keys: tuple[AdminKey, ...] = ()
    ) -> None:
        self.tenants: dict[TenantId, TenantSnapshot] = {snapshot.tenant.id: snapshot for snapshot in tenants}
        self.api_keys = {key.public_id: key for key in api_keys}
        self.admin_keys = {key.public_id: key for key in admin_keys}

    async def tenant(self, id: TenantId) -> TenantSnapshot | None:
        return self.tenants.get(id)

    async def api_key(self, public_id: str) -> ApiKey | None:
        return self.api_keys.get(public_id)

    async def admin_key(self, public_id: str) -> AdminKey | None:
        return self.admin_keys.get(public_id)

    def remembers_key(self, public_id: str) -> bool:
        return public_id in self.api_keys or public_id in self.admin_keys

    async def account_by_token(self, token: str) -> ProviderAccount | None:
        accounts = (account for snapshot in self.tenants.values() for account in snapshot.accounts.values())
        return next((account for account in accounts if account.webhook_token == token), None)

    async def account_by_id(self, id: AccountId) -> ProviderAccount | None:
        return next((it.accounts[id] for it in self.tenants.values() if id in it.accounts), None)
