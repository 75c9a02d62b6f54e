"""Tenants and senders, read and written by the platform's role across all tenants."""

from collections.abc import Callable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.schema.tables import data_keys, senders, tenants
from messaging.application.ports.platform import WrappedKey
from messaging.domain.shared.ids import AccountId, SenderId, TenantId
from messaging.domain.tenants.tenant import Tenant


class PostgresPlatform:
    """All tenants, in one open transaction of the role `messaging_system`; every write calls `written`."""

    def __init__(self, core: AsyncConnection, written: Callable[[], None]) -> None:
        self._core = core
        self._written = written

    async def add_tenant(self, tenant: Tenant, key: WrappedKey) -> None:
        self._written()
        await self._core.execute(sa.insert(tenants).values(rows.from_tenant(tenant)))
        await self._core.execute(
            sa.insert(data_keys).values(tenant_id=key.tenant_id, version=key.version, wrapped=key.wrapped)
        )

    async def update_tenant(self, tenant: Tenant) -> None:
        values = {
            "name": tenant.name,
            "status": tenant.status,
            "limits": rows.as_json(tenant.limits),
            "on_unknown": rows.as_json(tenant.on_unknown),
        }
        self._written()
        await self._core.execute(sa.update(tenants).where(tenants.c.id == tenant.id).values(values))

    async def tenant(self, id: TenantId) -> Tenant | None:
        row = (await self._core.execute(sa.select(tenants).where(tenants.c.id == id))).one_or_none()
        return None if row is None else rows.to_tenant(row)

    async def lock_tenant(self, id: TenantId) -> Tenant | None:
        locked = sa.select(tenants).where(tenants.c.id == id).with_for_update(key_share=True)
        row = (await self._core.execute(locked)).one_or_none()
        return None if row is None else rows.to_tenant(row)

    async def tenants(self, *, before: UUID | None, limit: int) -> Sequence[Tenant]:
        query = sa.select(tenants).order_by(tenants.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(tenants.c.id < before)
        return [rows.to_tenant(row) for row in await self._core.execute(query)]

    async def senders_by_external_id(
        self, wanted: Sequence[tuple[AccountId, str]]
    ) -> dict[tuple[AccountId, str], SenderId]:
        if not wanted:
            return {}
        s = senders.c
        query = sa.select(s.account_id, s.external_id, s.id).where(sa.tuple_(s.account_id, s.external_id).in_(wanted))
        return {
            (AccountId(row.account_id), row.external_id): SenderId(row.id) for row in await self._core.execute(query)
        }
