"""The keys of the platform's administrators, in Postgres."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.schema.tables import admin_keys
from messaging.domain.shared.ids import KeyId
from messaging.domain.tenants.admin_key import AdminKey

_k = admin_keys.c


class PostgresAdminKeys:
    """Keys of administrators, in one open transaction of the role `messaging_system`; every write calls `written`."""

    def __init__(self, core: AsyncConnection, written: Callable[[], None]) -> None:
        self._core = core
        self._written = written

    async def add(self, key: AdminKey) -> None:
        self._written()
        await self._core.execute(sa.insert(admin_keys).values(rows.from_admin_key(key)))

    async def find(self, id: KeyId) -> AdminKey | None:
        row = (await self._core.execute(sa.select(admin_keys).where(_k.id == id))).one_or_none()
        return None if row is None else rows.to_admin_key(row)

    async def page(self, *, before: UUID | None, limit: int) -> Sequence[AdminKey]:
        query = sa.select(admin_keys).order_by(_k.id.desc()).limit(limit)
        if before is not None:
            query = query.where(_k.id < before)
        return [rows.to_admin_key(row) for row in await self._core.execute(query)]

    async def lock_working(self, *, at: datetime) -> Sequence[AdminKey]:
        # Locked in the order of ids, so that two transactions that lock them wait for each other and do not deadlock.
        in_force = sa.and_(_k.revoked_at.is_(None), sa.or_(_k.expires_at.is_(None), _k.expires_at > at))
        query = sa.select(admin_keys).where(in_force).order_by(_k.id).with_for_update()
        return [rows.to_admin_key(row) for row in await self._core.execute(query)]

    async def revoke(self, id: KeyId, *, at: datetime) -> AdminKey | None:
        return await self._change(id, _k.revoked_at.is_(None), revoked_at=at)

    async def end(self, id: KeyId, *, at: datetime) -> AdminKey | None:
        return await self._change(id, sa.true(), expires_at=at)

    async def _change(self, id: KeyId, condition: sa.ColumnElement[bool], **values: datetime) -> AdminKey | None:
        self._written()
        await self._core.execute(sa.update(admin_keys).where(_k.id == id, condition).values(values))
        return await self.find(id)
