"""What every process remembers of the configuration, so that the hot paths read nothing."""

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.platform import AdminKey, WrappedKey
from messaging.application.ports.providers import CarriedChannels
from messaging.domain.shared.address import Channel
from messaging.domain.shared.ids import AccountId, SenderId, TenantId
from messaging.domain.templates.template import Template
from messaging.domain.tenants.routing import RoutingRule
from messaging.domain.tenants.tenant import AccountStatus, ApiKey, ProviderAccount, Sender, Tenant


class TenantSnapshot(Struct, frozen=True, kw_only=True, dict=True):
    """One tenant's configuration at one version: immutable, replaced as a whole.

    `by_account` holds each account's templates by (name, language): on the accept path a template is two lookups.
    `carried` says what accounts of each provider can carry; without it, whatever their senders say.
    """

    version: int
    tenant: Tenant
    accounts: Mapping[AccountId, ProviderAccount]
    senders: Mapping[SenderId, Sender]
    by_account: Mapping[AccountId, Mapping[tuple[str, str], Template]]
    rules: tuple[RoutingRule, ...]
    data_keys: tuple[WrappedKey, ...]
    carried: CarriedChannels | None = None

    @cached_property
    def routable(self) -> tuple[Sender, ...]:
        """The senders of active accounts that can carry their channel; worked out once per version."""
        return tuple(
            sender
            for sender in self.senders.values()
            if (account := self.accounts.get(sender.account_id))
            and account.status is AccountStatus.ACTIVE
            and (self.carried is None or sender.channel in self.carried.get(account.provider, ()))
        )

    @cached_property
    def channels(self) -> frozenset[Channel]:
        """Those that some provider carries: for the others there is nobody to deliver."""
        return frozenset(Channel) if self.carried is None else frozenset().union(*self.carried.values())

    def templates_of(self, account_id: AccountId) -> Mapping[tuple[str, str], Template]:
        """One account's templates by (name, language)."""
        return self.by_account.get(account_id, {})


class Snapshots(Protocol):
    """A change is seen at once where it was made, elsewhere within a second, a revoked key within five.

    A miss reads the database once.
    """

    async def tenant(self, id: TenantId) -> TenantSnapshot | None: ...
    async def api_key(self, public_id: str) -> ApiKey | None: ...
    async def admin_key(self, public_id: str) -> AdminKey | None: ...
    async def account_by_token(self, token: str) -> ProviderAccount | None: ...
    def remembers_key(self, public_id: str) -> bool:
        """Whether a tenant's or administrator's key of this id was found lately; asks nobody."""
        ...
