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
    """Provider accounts in use."""

    async def add_account(self, account: ProviderAccount) -> None: ...

    async def update_account(self, account: ProviderAccount) -> None: ...

    async def account(self, id: AccountId) -> ProviderAccount | None: ...

    async def accounts(self, *, before: UUID | None, limit: int) -> Sequence[ProviderAccount]: ...


class DeletedAccounts(Protocol):
    """How provider accounts go, and come back."""

    async def account_at(self, provider: str, external_id: str) -> ProviderAccount | None:
        """By the provider's own id, deleted ones included; of several one that is in use, then the newest."""
        ...

    async def delete_account(self, account: ProviderAccount) -> None:
        """Hide it with its senders and templates, and remove the routing rules to its senders."""
        ...

    async def revive_account(self, account: ProviderAccount) -> None:
        """Bring a deleted one back, with its senders and templates."""
        ...


class Senders(Protocol):
    """Senders of accounts in use."""

    async def add_sender(self, sender: Sender) -> None: ...

    async def update_sender(self, sender: Sender) -> None: ...

    async def sender(self, id: SenderId) -> Sender | None: ...

    async def senders(self, *, before: UUID | None, limit: int) -> Sequence[Sender]: ...


class Templates(Protocol):
    """Templates of accounts in use."""

    async def add_template(self, template: Template) -> None: ...

    async def choose_on_unknown(self, id: TemplateId, choice: OnUnknown | None) -> Template | None:
        """The template afterwards; None when there is no such template."""
        ...

    async def template(self, id: TemplateId) -> Template | None: ...

    async def template_named(self, account_id: AccountId, name: str, language: str) -> Template | None: ...

    async def templates(
        self, *, before: UUID | None, limit: int, name: str | None = None, status: str | None = None
    ) -> Sequence[Template]: ...


class ReviewedTemplates(Protocol):
    """Templates while the provider's news of them are taken in."""

    async def lock_templates(self, account_id: AccountId) -> tuple[Sequence[Template], datetime | None]:
        """All of an account's templates, locked, and the time of the newest listing that was taken in."""
        ...

    async def templates_listed(self, account_id: AccountId, *, at: datetime) -> None:
        """Note when the provider was asked for the account's templates."""
        ...

    async def update_template(self, template: Template) -> None:
        """What the provider says about it; `on_unknown`, which is the tenant's, stays as it is."""
        ...


class RoutingRules(Protocol):
    """Which sender serves which recipients."""

    async def replace_rules(self, rules: Sequence[RoutingRule]) -> None: ...

    async def rules(self) -> Sequence[RoutingRule]: ...


class ApiKeys(Protocol):
    """Keys of one mode."""

    async def add_key(self, key: ApiKey) -> None: ...

    async def keys(self, *, before: UUID | None, limit: int) -> Sequence[ApiKey]: ...

    async def revoke_key(self, id: KeyId, *, at: datetime) -> ApiKey | None:
        """None when there is no such key; revoking twice keeps the first instant."""
        ...


class Room(Protocol):
    """How much of each there may be."""

    async def has_room(self, what: Counted, most: int) -> bool:
        """Whether there are fewer than `most` in sight; whoever else asks waits until the transaction ends."""
        ...
