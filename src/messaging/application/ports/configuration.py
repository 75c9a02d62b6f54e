"""Ports for a tenant's configuration, one for each role: provider accounts, senders, templates, routing rules, keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from messaging.domain.shared.ids import AccountId, KeyId, SenderId, TemplateId
from messaging.domain.shared.unclear import OnUnknown
from messaging.domain.templates.template import Template
from messaging.domain.tenants.routing import RoutingRule
from messaging.domain.tenants.tenant import ApiKey, ProviderAccount, Sender

Counted = Literal["accounts", "senders", "templates", "keys"]


class Duplicate(Exception):
    """A unique name or external id is taken already; `what` names it for the caller (`template`, `sender`, …)."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Accounts(Protocol):
    """Provider accounts of a tenant, except deleted ones."""

    async def add_account(self, account: ProviderAccount) -> None: ...

    async def update_account(self, account: ProviderAccount) -> None: ...

    async def account(self, id: AccountId) -> ProviderAccount | None: ...

    async def accounts(self, *, before: UUID | None, limit: int) -> Sequence[ProviderAccount]: ...


class DeletedAccounts(Protocol):
    """Deletion of provider accounts, and their return. A deleted account is hidden and kept."""

    async def account_at(self, provider: str, external_id: str) -> ProviderAccount | None:
        """The account with this id at the provider, deleted ones included; of several, one in use, else the newest."""
        ...

    async def delete_account(self, account: ProviderAccount) -> None:
        """Hide the account with its senders and templates, and remove the routing rules to its senders."""
        ...

    async def revive_account(self, account: ProviderAccount) -> None:
        """Show a deleted account again, with its senders and templates."""
        ...


class Senders(Protocol):
    """Senders of a tenant, except those of deleted accounts."""

    async def add_sender(self, sender: Sender) -> None: ...

    async def update_sender(self, sender: Sender) -> None: ...

    async def sender(self, id: SenderId) -> Sender | None: ...

    async def senders(self, *, before: UUID | None, limit: int) -> Sequence[Sender]: ...


class Templates(Protocol):
    """Templates of a tenant, except those of deleted accounts."""

    async def add_template(self, template: Template) -> None: ...

    async def choose_on_unknown(self, id: TemplateId, choice: OnUnknown | None) -> Template | None:
        """Write the tenant's choice and return the template; None if there is no such template."""
        ...

    async def template(self, id: TemplateId) -> Template | None: ...

    async def template_named(self, account_id: AccountId, name: str, language: str) -> Template | None: ...

    async def templates(
        self, *, before: UUID | None, limit: int, name: str | None = None, status: str | None = None
    ) -> Sequence[Template]: ...


class ReviewedTemplates(Protocol):
    """An account's templates while a listing of the provider's templates is applied to them."""

    async def lock_templates(self, account_id: AccountId) -> tuple[Sequence[Template], datetime | None]:
        """All templates of an account, locked, and the time of the newest listing that was applied; None
        if none was.
        """
        ...

    async def templates_listed(self, account_id: AccountId, *, at: datetime) -> None:
        """Write the time at which the provider was asked for the listing."""
        ...

    async def update_template(self, template: Template) -> None:
        """Write the template as the provider reports it; `on_unknown`, which the tenant chooses, is not written."""
        ...


class RoutingRules(Protocol):
    """A tenant's routing rules, which choose the sender of a message by its recipient."""

    async def replace_rules(self, rules: Sequence[RoutingRule]) -> None: ...

    async def rules(self) -> Sequence[RoutingRule]: ...


class ApiKeys(Protocol):
    """A tenant's API keys of one mode."""

    async def add_key(self, key: ApiKey) -> None: ...

    async def keys(self, *, before: UUID | None, limit: int) -> Sequence[ApiKey]: ...

    async def revoke_key(self, id: KeyId, *, at: datetime) -> ApiKey | None:
        """Revoke the key and return it; a key that was revoked before keeps its time. None if there is no such key."""
        ...


class Room(Protocol):
    """The check that a tenant stays within its quotas of accounts, senders, templates and keys."""

    async def has_room(self, what: Counted, most: int) -> bool:
        """Whether the tenant has fewer than `most` of them in this mode. Other transactions that ask
        wait for this one.
        """
        ...
