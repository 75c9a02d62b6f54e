"""Changes a template of the tenant's own: writes its draft, publishes the draft, archives the template."""

from typing import Final

from msgspec.structs import replace

from messaging.application.ports.clock import Clock
from messaging.application.ports.unit_of_work import OpenUnitOfWork, OwnTemplateRoles
from messaging.application.templates.own.queries import detail
from messaging.application.templates.own.views import OwnTemplateDetailView, OwnTemplateView
from messaging.domain.shared.errors import DomainError, under
from messaging.domain.shared.ids import OwnTemplateId
from messaging.domain.shared.refusals import invalid, not_found
from messaging.domain.templates.own.definition import Definition, OwnStatus, OwnTemplate, Version
from messaging.domain.templates.own.rules import definition_violations
from messaging.domain.tenants.quotas import quota_exceeded
from messaging.domain.tenants.tenant import Principal

# Versions are kept as long as messages may need them, which is for ever.
MOST_VERSIONS: Final = 1_000


class WriteDraft:
    """Replaces the draft; without one it begins the next version, and the published one goes on being sent."""

    def __init__(self, *, open_uow: OpenUnitOfWork, clock: Clock) -> None:
        self._open = open_uow
        self._clock = clock

    async def __call__(self, principal: Principal, id: OwnTemplateId, definition: Definition) -> OwnTemplateDetailView:
        """Raises DomainError: not_found, state_conflict, validation_failed, quota_exceeded."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            template = await _active(uow, id)
            if found := under("/content", definition_violations(template.channel, definition)):
                raise invalid(*found)
            newest = await uow.own_versions.newest(id)
            number = _next(newest)
            if number > MOST_VERSIONS:
                raise quota_exceeded("versions of a template", MOST_VERSIONS)
            draft = Version(number=number, definition=definition, created_at=self._clock.now())
            await uow.own_versions.put_draft(id, draft)
            view = await detail(uow, template)
            await uow.commit()
        return view


class PublishDraft:
    """Makes the draft what is sent from now on; messages that were accepted before keep their version."""

    def __init__(self, *, open_uow: OpenUnitOfWork, clock: Clock) -> None:
        self._open = open_uow
        self._clock = clock

    async def __call__(self, principal: Principal, id: OwnTemplateId) -> OwnTemplateDetailView:
        """Raises DomainError: not_found, state_conflict."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            template = await _active(uow, id)
            draft = await uow.own_versions.newest(id)
            if draft is None or draft.published_at is not None:
                raise DomainError("state_conflict", "The template has no draft. Write one, then publish it.")
            await uow.own_versions.publish(id, draft.number, at=self._clock.now())
            template = replace(template, published=draft.number)
            await uow.own_templates.update(template)
            view = await detail(uow, template)
            await uow.commit()
        return view


class ArchiveOwnTemplate:
    """Ends a template for new messages; those that were accepted are sent. Its name is free again."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: OwnTemplateId) -> OwnTemplateView:
        """An archived template stays as it is. Raises DomainError: not_found."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            template = await uow.own_templates.lock(id)
            if template is None:
                raise not_found()
            if template.status is OwnStatus.ACTIVE:
                template = replace(template, status=OwnStatus.ARCHIVED)
                await uow.own_templates.update(template)
                await uow.commit()
        return OwnTemplateView.of(template)


async def _active(uow: OwnTemplateRoles, id: OwnTemplateId) -> OwnTemplate:
    template = await uow.own_templates.lock(id)
    if template is None:
        raise not_found()
    if template.status is not OwnStatus.ACTIVE:
        raise DomainError("state_conflict", "The template is archived. Create one of the same name.")
    return template


def _next(newest: Version | None) -> int:
    if newest is None:
        return 1
    return newest.number if newest.published_at is None else newest.number + 1
