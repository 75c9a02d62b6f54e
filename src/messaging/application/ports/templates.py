"""Ports for templates as the provider reports them: reports to apply, and accounts whose templates are to be listed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template


class LockedTemplates(Struct, frozen=True):
    """Locked templates; for each account of the reports its mode, and when its templates were last listed, if ever."""

    templates: Sequence[Template]
    listed_at: Mapping[AccountId, datetime | None]
    modes: Mapping[AccountId, Mode]


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


class ReviewedAccount(Struct, frozen=True, kw_only=True):
    """An account whose provider reviews templates."""

    tenant_id: TenantId
    mode: Mode
    account_id: AccountId


class SyncSchedule(Protocol):
    """The accounts whose templates no job is to list, across tenants. Bound to a transaction of the platform."""

    async def carry_over(self) -> int:
        """Turn dispatches that a worker of an earlier release wrote into jobs; returns how many."""
        ...

    async def unscheduled(self, providers: Collection[str]) -> Sequence[ReviewedAccount]:
        """The active accounts at these providers that have no job to list their templates."""
        ...


class HeldMessages(Protocol):
    """Messages that are held because of their templates, across tenants. Bound to a transaction of the platform."""

    async def release_some(self, tenant_id: TenantId, template_id: TemplateId, limit: int) -> int:
        """Make up to `limit` messages of a template due that are held because of it; returns how many."""
        ...
