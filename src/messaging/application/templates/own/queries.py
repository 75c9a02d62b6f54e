"""Reads a tenant's own templates and their versions, and renders one with given values."""

from collections.abc import Mapping
from uuid import UUID

from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.unit_of_work import OpenUnitOfWork, OwnTemplateRoles
from messaging.application.templates.own.views import (
    OwnPreviewView,
    OwnTemplateDetailView,
    OwnTemplateView,
    OwnVersionSummaryView,
    OwnVersionView,
)
from messaging.domain.channels.address import Channel
from messaging.domain.content.parameters import Value
from messaging.domain.shared.ids import OwnTemplateId
from messaging.domain.shared.refusals import invalid, not_found
from messaging.domain.templates.own.definition import OwnStatus, OwnTemplate, Version
from messaging.domain.templates.own.rendering import Rendered, render
from messaging.domain.tenants.tenant import Principal


async def detail(uow: OwnTemplateRoles, template: OwnTemplate) -> OwnTemplateDetailView:
    """The template with its published version and its draft."""
    newest = await uow.own_versions.newest(template.id)
    draft = newest if newest is not None and newest.published_at is None else None
    number = template.published
    published = None if number is None else await uow.own_versions.version(template.id, number)
    return OwnTemplateDetailView(
        template=OwnTemplateView.of(template),
        published=None if published is None else OwnVersionView.of(published),
        draft=None if draft is None else OwnVersionView.of(draft),
    )


class FindOwnTemplate:
    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: OwnTemplateId) -> OwnTemplateDetailView:
        """Raises DomainError: not_found."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            return await detail(uow, await _known(uow, id))


class ListOwnTemplates:
    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(
        self,
        principal: Principal,
        *,
        before: UUID | None,
        limit: int,
        name: str | None = None,
        channel: Channel | None = None,
        status: OwnStatus | None = None,
    ) -> Page[OwnTemplateView, UUID]:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.own_templates.templates(
                before=before, limit=limit + 1, name=name, channel=channel, status=status
            )
        return page_of(rows, limit, lambda template: template.id, OwnTemplateView.of)


class ListOwnVersions:
    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(
        self, principal: Principal, id: OwnTemplateId, *, before: int, limit: int
    ) -> Page[OwnVersionSummaryView, int]:
        """Raises DomainError: not_found."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            await _known(uow, id)
            rows = await uow.own_versions.versions(id, before=before, limit=limit + 1)
        return page_of(rows, limit, lambda version: version.number, OwnVersionSummaryView.of)


class FindOwnVersion:
    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: OwnTemplateId, number: int) -> OwnVersionView:
        """Raises DomainError: not_found."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            await _known(uow, id)
            version = await uow.own_versions.version(id, number)
        if version is None:
            raise not_found()
        return OwnVersionView.of(version)


class PreviewOwnTemplate:
    """Renders a version as a message with these values would be, and sends nothing."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(
        self,
        principal: Principal,
        id: OwnTemplateId,
        *,
        variables: Mapping[str, Value],
        language: str | None,
        number: int | None,
    ) -> OwnPreviewView:
        """Without a number the newest version, which may be a draft. Raises DomainError: not_found,
        validation_failed.
        """
        async with self._open(principal.tenant_id, principal.mode) as uow:
            template = await _known(uow, id)
            version = await _wanted(uow, id, number)
        wanted = version.definition.default_language if language is None else language
        rendered = render(template.channel, version.definition, wanted, variables)
        if not isinstance(rendered, Rendered):
            raise invalid(*rendered)
        return OwnPreviewView.of(template.channel, version, rendered)


async def _wanted(uow: OwnTemplateRoles, id: OwnTemplateId, number: int | None) -> Version:
    versions = uow.own_versions
    found = await versions.newest(id) if number is None else await versions.version(id, number)
    if found is None:
        raise not_found()
    return found


async def _known(uow: OwnTemplateRoles, id: OwnTemplateId) -> OwnTemplate:
    template = await uow.own_templates.template(id)
    if template is None:
        raise not_found()
    return template
