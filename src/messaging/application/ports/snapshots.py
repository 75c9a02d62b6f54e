"""Port for in-memory snapshots of the configuration, from which accepting and delivering read without a query."""

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.providers.descriptor import CarriedChannels
from messaging.domain.callbacks.endpoint import CallbackEndpoint
from messaging.domain.channels.address import Channel
from messaging.domain.content.parameters import Pin
from messaging.domain.shared.ids import AccountId, OwnTemplateId, SenderId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.own.definition import Definition, Published
from messaging.domain.templates.template import Template
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.routing import RoutingRule
from messaging.domain.tenants.tenant import AccountStatus, ApiKey, ProviderAccount, Sender, Tenant


class ModeSnapshot(Struct, frozen=True, kw_only=True):
    """The configuration that one mode of a tenant sends with: senders of active accounts, templates, routing rules.

    `channels` are the channels that some provider carries; no worker delivers on others. `by_account` holds each
    account's templates by name and language, `own` the tenant's own published ones by channel and name.
    """

    tenant: Tenant
    channels: frozenset[Channel]
    routable: tuple[Sender, ...]
    by_account: Mapping[AccountId, Mapping[tuple[str, str], Template]]
    rules: tuple[RoutingRule, ...]
    own: Mapping[tuple[Channel, str], Published] = {}

    def templates_of(self, account_id: AccountId) -> Mapping[tuple[str, str], Template]:
        """One account's templates by (name, language)."""
        return self.by_account.get(account_id, {})


class TenantSnapshot(Struct, frozen=True, kw_only=True, dict=True):
    """One tenant's configuration of both modes at one version: immutable, replaced as a whole.

    Work on behalf of an API key uses `in_mode`. `by_account` holds each account's templates by name and language, `own`
    the published templates of the tenant's own. `carried` holds the channels that each provider's accounts can carry;
    if it is None, all senders can send. `endpoints` are those for callbacks, except deleted ones, oldest first.
    """

    version: int
    tenant: Tenant
    accounts: Mapping[AccountId, ProviderAccount]
    senders: Mapping[SenderId, Sender]
    by_account: Mapping[AccountId, Mapping[tuple[str, str], Template]]
    rules: tuple[RoutingRule, ...]
    data_keys: tuple[WrappedKey, ...]
    carried: CarriedChannels | None = None
    own: tuple[Published, ...] = ()
    endpoints: tuple[CallbackEndpoint, ...] = ()

    def in_mode(self, mode: Mode) -> ModeSnapshot:
        """The part of the configuration that a key of this mode can use."""
        return self._modes[mode]

    @cached_property
    def _modes(self) -> Mapping[Mode, ModeSnapshot]:
        """Both modes' parts, computed once per version."""
        return {mode: self._of(mode) for mode in Mode}

    def _of(self, mode: Mode) -> ModeSnapshot:
        accounts = {id: account for id, account in self.accounts.items() if account.mode is mode}
        senders = {id: sender for id, sender in self.senders.items() if sender.mode is mode}
        return ModeSnapshot(
            tenant=self.tenant,
            channels=self.channels,
            routable=tuple(sender for sender in senders.values() if self._can_send(sender, accounts)),
            by_account={id: templates for id, templates in self.by_account.items() if id in accounts},
            rules=tuple(rule for rule in self.rules if rule.sender_id in senders),
            own={(it.template.channel, it.template.name): it for it in self.own if it.template.mode is mode},
        )

    def _can_send(self, sender: Sender, accounts: Mapping[AccountId, ProviderAccount]) -> bool:
        """Whether its account is active, and of a provider that carries its channel."""
        account = accounts.get(sender.account_id)
        if account is None or account.status is not AccountStatus.ACTIVE:
            return False
        return self.carried is None or sender.channel in self.carried.get(account.provider, ())

    @cached_property
    def channels(self) -> frozenset[Channel]:
        """The channels that some provider carries."""
        return frozenset(Channel) if self.carried is None else frozenset().union(*self.carried.values())

    def templates_of(self, account_id: AccountId) -> Mapping[tuple[str, str], Template]:
        """One account's templates by (name, language)."""
        return self.by_account.get(account_id, {})

    def own_definition(self, pin: Pin) -> Definition | None:
        """What a version of the tenant's own template says; None for one that is not sent any more."""
        published = self._own_by_id.get(pin.template_id)
        return published.definition if published is not None and published.version == pin.version else None

    @cached_property
    def _own_by_id(self) -> Mapping[OwnTemplateId, Published]:
        return {it.template.id: it for it in self.own}


class Snapshots(Protocol):
    """Configuration in memory. A process sees its own changes at once, those of others within a second; a revoked key
    works for five seconds at most. Concurrent look-ups of a missing entry read the database once.
    """

    async def tenant(self, id: TenantId) -> TenantSnapshot | None: ...

    async def api_key(self, public_id: str) -> ApiKey | None: ...

    async def admin_key(self, public_id: str) -> AdminKey | None: ...

    async def account_by_token(self, token: str) -> ProviderAccount | None:
        """The account whose webhooks come to the path with this token."""
        ...

    async def account_by_id(self, id: AccountId) -> ProviderAccount | None:
        """The account with this id, whosever it is. For webhooks that come to an address with the id in it."""
        ...

    def remembers_key(self, public_id: str) -> bool:
        """Whether a key with this public id, of a tenant or an administrator, is in memory; reads no database."""
        ...
