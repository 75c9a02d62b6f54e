"""Templates of a tenant's own in two dicts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from messaging.application.ports.configuration import Duplicate
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.shared.ids import OwnTemplateId, TenantId
from messaging.domain.shared.mode import Reach
from messaging.domain.templates.own.definition import OwnStatus, OwnTemplate, Version


class InMemoryOwnRoles:
    """`open(tenant, mode)` gives a transaction with both roles; while `away`, nobody reaches it."""

    def __init__(self, own: "InMemoryOwnTemplates | None" = None) -> None:
        self.own_templates = self.own_versions = own or InMemoryOwnTemplates()
        self.opened = 0
        self.away = False

    @asynccontextmanager
    async def open(self, _tenant_id: TenantId, _mode: Reach) -> "AsyncIterator[InMemoryOwnRoles]":
        if self.away:
            raise StoreUnavailable
        self.opened += 1
        yield self


class InMemoryOwnTemplates:
    """`templates_` by id, and `versions_` by template and number: what a test may look at."""

    def __init__(self) -> None:
        self.templates_: dict[OwnTemplateId, OwnTemplate] = {}
        self.versions_: dict[tuple[OwnTemplateId, int], Version] = {}

    async def add(self, template: OwnTemplate) -> None:
        active = [it for it in self.templates_.values() if it.status is OwnStatus.ACTIVE]
        if (template.channel, template.name) in [(it.channel, it.name) for it in active]:
            raise Duplicate("template")
        self.templates_[template.id] = template

    async def template(self, id: OwnTemplateId) -> OwnTemplate | None:
        return self.templates_.get(id)

    async def lock(self, id: OwnTemplateId) -> OwnTemplate | None:
        return self.templates_.get(id)

    async def templates(
        self,
        *,
        before: UUID | None,
        limit: int,
        name: str | None = None,
        channel: str | None = None,
        status: str | None = None,
    ) -> Sequence[OwnTemplate]:
        found = [it for it in self.templates_.values() if name in (None, it.name) and channel in (None, it.channel)]
        found = [it for it in found if status in (None, it.status) and (before is None or it.id < before)]
        return sorted(found, key=lambda it: it.id, reverse=True)[:limit]

    async def has_room(self, most: int) -> bool:
        return sum(it.status is OwnStatus.ACTIVE for it in self.templates_.values()) < most

    async def update(self, template: OwnTemplate) -> None:
        known = self.templates_[template.id]
        self.templates_[template.id] = replace(known, status=template.status, published=template.published)

    async def newest(self, template_id: OwnTemplateId) -> Version | None:
        return next(iter(await self.versions(template_id, before=0, limit=1)), None)

    async def version(self, template_id: OwnTemplateId, number: int) -> Version | None:
        return self.versions_.get((template_id, number))

    async def versions(self, template_id: OwnTemplateId, *, before: int, limit: int) -> Sequence[Version]:
        found = [version for (of, _), version in self.versions_.items() if of == template_id]
        found = [version for version in found if not before or version.number < before]
        return sorted(found, key=lambda version: version.number, reverse=True)[:limit]

    async def put_draft(self, template_id: OwnTemplateId, draft: Version) -> None:
        self.versions_[template_id, draft.number] = draft

    async def publish(self, template_id: OwnTemplateId, number: int, *, at: datetime) -> None:
        self.versions_[template_id, number] = replace(self.versions_[template_id, number], published_at=at)
