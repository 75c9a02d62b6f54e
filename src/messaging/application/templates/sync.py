"""Bringing our picture of an account's templates up to date with the provider's."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

from msgspec.structs import replace

from messaging.application.ports.clock import NewId
from messaging.application.ports.configuration import Configuration
from messaging.application.ports.providers import ProviderGateway, ProviderTemplate
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.templates.create import OpenConnection
from messaging.application.templates.views import SyncView
from messaging.domain.shared.ids import AccountId, TemplateId
from messaging.domain.shared.refusals import not_found
from messaging.domain.templates.template import Template, TemplateStatus
from messaging.domain.tenants.tenant import Principal, ProviderAccount

_PAGE = 500

Effect = Literal["added", "changed", "unchanged"]


class SyncTemplates:
    """Templates the provider no longer has are marked `deleted`; nothing is changed at the provider."""

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        open_connection: OpenConnection,
        gateways: Mapping[str, ProviderGateway],
        new_id: NewId,
    ) -> None:
        self._open = open_uow
        self._open_connection = open_connection
        self._gateways = gateways
        self._new_id = new_id

    async def __call__(self, principal: Principal, account_id: AccountId) -> SyncView:
        """Raises DomainError: not_found, provider_refused, provider_unavailable."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            account = await uow.configuration.account(account_id)
        if account is None:
            raise not_found()
        connection = await self._open_connection(account)
        reported = await self._gateways[account.provider].list_templates(connection)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            effects = Counter([await self._bring_in(uow.configuration, account, theirs) for theirs in reported])
            removed = await _remove_others(uow.configuration, account_id, reported)
            await uow.commit()
        return SyncView(
            added=effects["added"], changed=effects["changed"], removed=removed, unchanged=effects["unchanged"]
        )

    async def _bring_in(
        self, configuration: Configuration, account: ProviderAccount, theirs: ProviderTemplate
    ) -> Effect:
        ours = await configuration.template_named(account.id, theirs.name, theirs.language)
        if ours is None:
            await configuration.add_template(self._new(account, theirs))
            return "added"
        updated = _merged(ours, theirs)
        if updated == ours:
            return "unchanged"
        await configuration.update_template(updated)
        return "changed"

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


def _merged(ours: Template, theirs: ProviderTemplate) -> Template:
    """Their word on everything; the sample values we submitted are kept when they report none."""
    components = theirs.components
    if not components.examples:
        components = replace(components, examples=ours.components.examples)
    rewritten = components != ours.components or theirs.parameter_format is not ours.parameter_format
    return replace(
        ours,
        category=theirs.category,
        parameter_format=theirs.parameter_format,
        components=components,
        status=theirs.status,
        version=ours.version + (1 if rewritten else 0),
        external_id=theirs.external_id,
        quality=theirs.quality,
        rejected_reason=theirs.rejected_reason,
        unsupported=theirs.unsupported,
    )


async def _remove_others(
    configuration: Configuration, account_id: AccountId, reported: Sequence[ProviderTemplate]
) -> int:
    kept = {(theirs.name, theirs.language) for theirs in reported}
    gone = [
        ours
        for ours in await _all_templates(configuration)
        if ours.account_id == account_id
        and (ours.name, ours.language) not in kept
        and ours.status is not TemplateStatus.DELETED
    ]
    for template in gone:
        await configuration.update_template(replace(template, status=TemplateStatus.DELETED))
    return len(gone)


async def _all_templates(configuration: Configuration) -> list[Template]:
    found: list[Template] = []
    before: UUID | None = None
    while page := await configuration.templates(before=before, limit=_PAGE):
        found.extend(page)
        before = page[-1].id
    return found
