"""Creates a template of the tenant's own, with its first draft."""

from msgspec import Struct

from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.configuration import Duplicate
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.templates.own.views import OwnTemplateDetailView, OwnTemplateView, OwnVersionView
from messaging.domain.channels.address import Channel
from messaging.domain.shared.errors import under
from messaging.domain.shared.ids import OwnTemplateId
from messaging.domain.shared.refusals import already_exists, invalid
from messaging.domain.templates.own.definition import Definition, OwnStatus, OwnTemplate, Version
from messaging.domain.templates.own.rules import definition_violations, name_violations
from messaging.domain.templates.template import TemplateCategory
from messaging.domain.tenants.quotas import ConfigurationQuotas, quota_exceeded
from messaging.domain.tenants.tenant import Principal


class NewOwnTemplate(Struct, frozen=True, kw_only=True):
    name: str
    channel: Channel
    category: TemplateCategory
    definition: Definition


class CreateOwnTemplate:
    """The template can be sent once its draft is published."""

    def __init__(self, *, open_uow: OpenUnitOfWork, clock: Clock, new_id: NewId, quotas: ConfigurationQuotas) -> None:
        self._open = open_uow
        self._clock = clock
        self._new_id = new_id
        self._quotas = quotas

    async def __call__(self, principal: Principal, new: NewOwnTemplate) -> OwnTemplateDetailView:
        """Raises DomainError: validation_failed, quota_exceeded, already_exists."""
        violations = under("/content", definition_violations(new.channel, new.definition))
        if found := (*name_violations(new.name), *violations):
            raise invalid(*found)
        now = self._clock.now()
        template = OwnTemplate(
            id=OwnTemplateId(self._new_id()),
            tenant_id=principal.tenant_id,
            mode=principal.mode,
            name=new.name,
            channel=new.channel,
            category=new.category,
            status=OwnStatus.ACTIVE,
            created_at=now,
        )
        draft = Version(number=1, definition=new.definition, created_at=now)
        await self._store(principal, template, draft)
        return OwnTemplateDetailView(
            template=OwnTemplateView.of(template), published=None, draft=OwnVersionView.of(draft)
        )

    async def _store(self, principal: Principal, template: OwnTemplate, draft: Version) -> None:
        try:
            async with self._open(principal.tenant_id, principal.mode) as uow:
                if not await uow.own_templates.has_room(self._quotas.own_templates):
                    raise quota_exceeded("templates of its own", self._quotas.own_templates)
                await uow.own_templates.add(template)
                await uow.own_versions.put_draft(template.id, draft)
                await uow.commit()
        except Duplicate as duplicate:
            raise already_exists(_TAKEN) from duplicate


_TAKEN = (
    "This channel has a template of this name already. Give that one a new draft, archive it, or choose another name."
)
