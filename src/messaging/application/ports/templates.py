"""Ports for templates as the provider reports them: reports to apply, and accounts whose templates are to be listed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template


class LockedTemplates(Struct, frozen=True):
    """Locked templates, and when each of their accounts' templates were last listed; None if never."""

    templates: Sequence[Template]
    listed_at: Mapping[AccountId, datetime | None]


class ProviderTemplates(Protocol):
    """Templates of all tenants. Bound to an open transaction of the platform."""

    async def lock(self, news: Sequence[TemplateNews]) -> LockedTemplates:
        """The templates that the reports are about, locked: those with a reported id, or a reported name
        and language.
        """
        ...

    async def update(self, changed: Sequence[Template]) -> None:
        """Write templates that were locked in this transaction."""
        ...


class TemplateRequests(Protocol):
    """Requests for work on templates, which some worker does soon after the commit. Bound to an open transaction."""

    async def read_anew(self, accounts: Collection[tuple[TenantId, AccountId]]) -> None:
        """Request a listing of all templates of these accounts."""
        ...

    async def release(self, templates: Collection[tuple[TenantId, TemplateId]]) -> None:
        """Request that messages that are held because of these templates become due."""
        ...


class DueSync(Struct, frozen=True, kw_only=True):
    """A claimed account whose templates are to be listed. The listing was requested at `asked_at`; both times are the
    database's.
    """

    tenant_id: TenantId
    account_id: AccountId
    asked_at: datetime
    claimed_at: datetime


class TemplateSyncs(Protocol):
    """Listings of accounts' templates and their due times, across tenants. A claim ends with its lease.

    Bound to an open transaction of the platform.
    """

    async def plan(self, every: timedelta) -> int:
        """Schedule a listing of each active account that has none, at a random time within `every`;
        returns how many.
        """
        ...

    async def claim(self, *, lease: timedelta) -> DueSync | None:
        """The account whose listing has been due for longest; for `lease`, no other worker gets it. None if none is
        due.
        """
        ...

    async def done(self, claimed: DueSync, *, next_after: timedelta | None) -> None:
        """Schedule the next listing after `next_after`, or none for None. It is due soon if it was requested again
        since the claim.
        """
        ...

    async def failed(self, claimed: DueSync, *, again_after: timedelta) -> None:
        """Schedule the same listing again after `again_after`."""
        ...


class HeldMessages(Protocol):
    """Messages that are held because of their templates, across tenants. Bound to a transaction of the platform."""

    async def release_some(self, limit: int) -> int:
        """Make up to `limit` messages due that are held because of one template whose release is due.

        Returns a positive number if there was such a template, 0 otherwise.
        """
        ...
