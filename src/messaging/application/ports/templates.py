"""Ports for templates as the provider reports them: reports to apply, and accounts whose templates are to be listed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template


class LockedTemplates(Struct, frozen=True):
    """`listed_at` tells when the provider was last asked for all templates of an account."""

    templates: Sequence[Template]
    listed_at: Mapping[AccountId, datetime | None]


class ProviderTemplates(Protocol):
    """Across tenants, in a transaction of the platform."""

    async def lock(self, news: Sequence[TemplateNews]) -> LockedTemplates:
        """Every template that has an id the news are about, or a name and language they are about; locked."""
        ...

    async def update(self, changed: Sequence[Template]) -> None:
        """Write templates that were locked in this transaction."""
        ...


class TemplateRequests(Protocol):
    """Asking for work about templates: done soon after the commit, by whichever worker."""

    async def read_anew(self, accounts: Collection[tuple[TenantId, AccountId]]) -> None:
        """Have all templates of these accounts read from the provider now."""
        ...

    async def release(self, templates: Collection[tuple[TenantId, TemplateId]]) -> None:
        """Have the messages go that wait for these templates."""
        ...


class DueSync(Struct, frozen=True, kw_only=True):
    """An account whose templates are to be read: wanted since `asked_at`, claimed at `claimed_at`, by database time."""

    tenant_id: TenantId
    account_id: AccountId
    asked_at: datetime
    claimed_at: datetime


class TemplateSyncs(Protocol):
    """Which accounts' templates are due to be read, across tenants. A claim that is not ended lapses with its lease."""

    async def plan(self, every: timedelta) -> int:
        """See that each active account has its turn, at a random moment within `every`; returns how many had none."""
        ...

    async def claim(self, *, lease: timedelta) -> DueSync | None:
        """The one that has been due for longest; no other worker gets it meanwhile."""
        ...

    async def done(self, claimed: DueSync, *, next_after: timedelta | None) -> None:
        """Due again so much later, or not by itself with None; soon if it was asked for once more since the claim."""
        ...

    async def failed(self, claimed: DueSync, *, again_after: timedelta) -> None:
        """Still wanted."""
        ...


class HeldMessages(Protocol):
    """Messages that wait for their template, across tenants."""

    async def release_some(self, limit: int) -> int:
        """For one template that may be sent again, make up to `limit` of them due; 0 when no release is due."""
        ...
