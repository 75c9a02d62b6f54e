"""Brings the stored templates of one account up to date with the provider's listing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from msgspec.structs import replace

from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.templates import ProviderTemplate, TemplateRegistry
from messaging.application.ports.unit_of_work import OpenUnitOfWork, UnitOfWork
from messaging.application.templates.create import OpenConnection, registry_of
from messaging.application.templates.merge import gone, may_be_sent_again, merged
from messaging.application.templates.news import told_of
from messaging.application.templates.requests import listing, release
from messaging.application.templates.views import SyncView
from messaging.domain.shared.ids import AccountId, TemplateId
from messaging.domain.shared.refusals import not_found
from messaging.domain.templates.news import whole_second
from messaging.domain.templates.template import Template, TemplateStatus
from messaging.domain.tenants.tenant import Principal, ProviderAccount

Effect = Literal["added", "changed", "removed", "unchanged"]

# A listing that does not have a reported change yet is repeated after so long.
_STILL_CHANGING: Final = timedelta(seconds=5)


class SyncAccount:
    """Merges a provider's listing. Templates the provider no longer has are marked `deleted`; nothing is changed at the
    provider.

    A listing shows the state at the time it was requested (`asked_at`). Later reports are kept, and a listing that is
    older than one merged before is dropped.
    """

    def __init__(self, *, open_uow: OpenUnitOfWork, registries: Mapping[str, TemplateRegistry], new_id: NewId) -> None:
        self._open = open_uow
        self._registries = registries
        self._new_id = new_id

    async def __call__(self, account: ProviderAccount, connection: Connection, *, asked_at: datetime) -> SyncView:
        """Raises DomainError: provider_refused, provider_unavailable."""
        reported = await registry_of(self._registries, account).list_templates(connection)
        async with self._open(account.tenant_id, account.mode) as uow:
            effects = await self._take_in(uow, account, _by_name(reported), asked_at)
            await uow.commit()
        return SyncView(
            added=effects["added"],
            changed=effects["changed"],
            removed=effects["removed"],
            unchanged=effects["unchanged"],
        )

    async def _take_in(
        self,
        uow: UnitOfWork,
        account: ProviderAccount,
        reported: Mapping[tuple[str, str], ProviderTemplate],
        asked_at: datetime,
    ) -> Counter[Effect]:
        effects: Counter[Effect] = Counter()
        ours, listed_at = await uow.reviewed_templates.lock_templates(account.id)
        if listed_at is not None and whole_second(asked_at) < listed_at:
            effects["unchanged"] = len(ours)
            return effects
        after: list[Template] = []
        for template in ours:
            updated, effect = _update(template, reported.get((template.name, template.language)), asked_at)
            # A template that was deleted before and still is does not count as changed.
            if updated is not template or template.status is not TemplateStatus.DELETED:
                effects[effect] += 1
            after.append(updated)
        await self._write(uow, account, ours, after)
        known = {(template.name, template.language) for template in ours}
        for name, theirs in reported.items():
            if name not in known:
                effects["added"] += 1
                await uow.templates.add_template(self._new(account, theirs))
        await uow.reviewed_templates.templates_listed(account.id, at=whole_second(asked_at))
        return effects

    async def _write(
        self, uow: UnitOfWork, account: ProviderAccount, before: Sequence[Template], after: Sequence[Template]
    ) -> None:
        changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        for _, template in changed:
            await uow.reviewed_templates.update_template(template)
        asked = [release(new, account.mode) for old, new in changed if may_be_sent_again(old, new)]
        if any(template.changed_at is not None for template in after):
            asked.append(listing(account.tenant_id, account.mode, account.id, due_after=_STILL_CHANGING))
        await uow.outbox.enqueue(asked)
        await uow.announcements.announce([it for old, new in changed for it in told_of(old, new, account.mode)])

    def _new(self, account: ProviderAccount, theirs: ProviderTemplate) -> Template:
        return Template(
            id=TemplateId(self._new_id()),
            tenant_id=account.tenant_id,
            account_id=account.id,
            name=theirs.name,
            language=theirs.language,
            category=theirs.category,
            parameter_format=theirs.parameter_format,
            components=theirs.components,
            status=theirs.status,
            external_id=theirs.external_id,
            quality=theirs.quality,
            rejected_reason=theirs.rejected_reason,
            unsupported=theirs.unsupported,
        )


class SyncTemplates:
    """Synchronises the templates of one account now, on request."""

    def __init__(
        self, *, open_uow: OpenUnitOfWork, open_connection: OpenConnection, sync: SyncAccount, clock: Clock
    ) -> None:
        self._open = open_uow
        self._open_connection = open_connection
        self._sync = sync
        self._clock = clock

    async def __call__(self, principal: Principal, account_id: AccountId) -> SyncView:
        """Raises DomainError: not_found, provider_refused, provider_unavailable."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            account = await uow.accounts.account(account_id)
        if account is None:
            raise not_found()
        connection = await self._open_connection(account)
        return await self._sync(account, connection, asked_at=self._clock.now())


def _by_name(reported: Sequence[ProviderTemplate]) -> dict[tuple[str, str], ProviderTemplate]:
    """One template for each name and language: one that is being deleted does not hide its replacement."""
    ordered = sorted(reported, key=lambda theirs: theirs.status is not TemplateStatus.DELETED)
    return {(theirs.name, theirs.language): theirs for theirs in ordered}


def _update(ours: Template, theirs: ProviderTemplate | None, asked_at: datetime) -> tuple[Template, Effect]:
    if theirs is not None:
        updated = merged(ours, theirs, asked_at=asked_at)
        return updated, "unchanged" if updated == ours else "changed"
    if ours.status is TemplateStatus.DELETED or _stored_at(ours) > asked_at:
        return ours, "unchanged"
    updated = gone(ours, asked_at=asked_at)
    return updated, "unchanged" if updated == ours else "removed"


def _stored_at(template: Template) -> datetime:
    """The time at which the template was stored: its id is a UUIDv7 and begins with its time, in milliseconds."""
    return datetime.fromtimestamp((template.id.int >> 80) / 1000, UTC)


def disregard_change(template: Template) -> Template:
    """The template without the mark of changed content that holds its messages back."""
    return replace(template, changed_at=None)
