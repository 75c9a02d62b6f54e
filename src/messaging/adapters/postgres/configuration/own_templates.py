"""Reads and writes the templates of a tenant's own and their versions, in Postgres."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.schema.tables import config_versions, own_template_versions, own_templates
from messaging.adapters.postgres.session.transactions import driver_error
from messaging.application.ports.configuration import Duplicate
from messaging.domain.shared.ids import OwnTemplateId
from messaging.domain.shared.mode import BothModes, TenantScope
from messaging.domain.templates.own.definition import OwnStatus, OwnTemplate, Version


class PostgresOwnTemplates:
    """In one open transaction of a tenant in one mode.

    A change of a template raises the tenant's configuration version, by a trigger; `written` is called with each.
    """

    def __init__(self, core: AsyncConnection, scope: TenantScope, written: Callable[[], None]) -> None:
        self._core = core
        self._written = written
        self._tenant_id, self._mode = scope

    async def add(self, template: OwnTemplate) -> None:
        self._written()
        try:
            await self._core.execute(sa.insert(own_templates).values(rows.from_own_template(template)))
        except IntegrityError as error:
            if getattr(driver_error(error), "constraint_name", "") != "own_templates_name_key":
                raise
            raise Duplicate("template") from error

    async def template(self, id: OwnTemplateId) -> OwnTemplate | None:
        return await self._one(sa.select(own_templates).where(*self._own(), own_templates.c.id == id))

    async def lock(self, id: OwnTemplateId) -> OwnTemplate | None:
        query = sa.select(own_templates).where(*self._own(), own_templates.c.id == id)
        return await self._one(query.with_for_update())

    async def templates(
        self,
        *,
        before: UUID | None,
        limit: int,
        name: str | None = None,
        channel: str | None = None,
        status: str | None = None,
    ) -> Sequence[OwnTemplate]:
        t = own_templates.c
        query = sa.select(own_templates).where(*self._own())
        for column, wanted in ((t.name, name), (t.channel, channel), (t.status, status)):
            if wanted is not None:
                query = query.where(column == wanted)
        if before is not None:
            query = query.where(t.id < before)
        found = await self._core.execute(query.order_by(t.id.desc()).limit(limit))
        return [rows.to_own_template(row) for row in found]

    async def has_room(self, most: int) -> bool:
        """Every change of the configuration writes the row of its version; locking it first keeps the count exact."""
        v, t = config_versions.c, own_templates.c
        await self._core.execute(sa.select(v.version).where(v.tenant_id == self._tenant_id).with_for_update())
        active = sa.select(sa.func.count()).where(*self._own(), t.status == OwnStatus.ACTIVE)
        return (await self._core.scalar(active) or 0) < most

    async def update(self, template: OwnTemplate) -> None:
        self._written()
        changed = {"status": template.status, "published": template.published}
        await self._core.execute(
            sa.update(own_templates).where(*self._own(), own_templates.c.id == template.id).values(changed)
        )

    async def newest(self, template_id: OwnTemplateId) -> Version | None:
        found = await self.versions(template_id, before=0, limit=1)
        return found[0] if found else None

    async def version(self, template_id: OwnTemplateId, number: int) -> Version | None:
        query = self._versions(template_id).where(own_template_versions.c.number == number)
        row = (await self._core.execute(query)).one_or_none()
        return None if row is None else rows.to_version(row)

    async def versions(self, template_id: OwnTemplateId, *, before: int, limit: int) -> Sequence[Version]:
        v = own_template_versions.c
        query = self._versions(template_id)
        if before:
            query = query.where(v.number < before)
        return [rows.to_version(row) for row in await self._core.execute(query.order_by(v.number.desc()).limit(limit))]

    async def put_draft(self, template_id: OwnTemplateId, draft: Version) -> None:
        values = rows.from_version(draft) | {"tenant_id": self._tenant_id, "template_id": template_id}
        changed = {"definition": values["definition"], "created_at": draft.created_at}
        await self._core.execute(
            insert(own_template_versions)
            .values(values)
            .on_conflict_do_update(constraint="own_template_versions_pkey", set_=changed)
        )

    async def publish(self, template_id: OwnTemplateId, number: int, *, at: datetime) -> None:
        v = own_template_versions.c
        await self._core.execute(
            sa.update(own_template_versions)
            .where(v.tenant_id == self._tenant_id, v.template_id == template_id, v.number == number)
            .values(published_at=at)
        )

    def _own(self) -> list[sa.ColumnElement[bool]]:
        own = [own_templates.c.tenant_id == self._tenant_id]
        return own if isinstance(self._mode, BothModes) else [*own, own_templates.c.mode == self._mode]

    def _versions(self, template_id: OwnTemplateId) -> sa.Select[tuple[object, ...]]:
        v = own_template_versions.c
        mine = sa.exists().where(own_templates.c.id == template_id, *self._own())
        return sa.select(own_template_versions).where(
            v.tenant_id == self._tenant_id, v.template_id == template_id, mine
        )

    async def _one(self, query: sa.Select[tuple[object, ...]]) -> OwnTemplate | None:
        row = (await self._core.execute(query)).one_or_none()
        return None if row is None else rows.to_own_template(row)
