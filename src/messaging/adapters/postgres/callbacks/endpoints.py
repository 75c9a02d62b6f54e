"""Reads and writes a tenant's callback endpoints and their secrets, in Postgres."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.schema.tables import callback_endpoints, callback_secrets, config_versions
from messaging.domain.callbacks.endpoint import CallbackEndpoint, CallbackSecret, EndpointStatus
from messaging.domain.shared.ids import CallbackEndpointId
from messaging.domain.shared.mode import BothModes, TenantScope

# What is written once.
_FIXED = ("tenant_id", "id", "mode", "created_at")


class PostgresCallbackEndpoints:
    """In one open transaction of a tenant in one mode.

    A change raises the tenant's configuration version, by a trigger; `written` is called with each.
    """

    def __init__(self, core: AsyncConnection, scope: TenantScope, written: Callable[[], None]) -> None:
        self._core = core
        self._written = written
        self._tenant_id, self._mode = scope

    async def add(self, endpoint: CallbackEndpoint) -> None:
        self._written()
        await self._core.execute(sa.insert(callback_endpoints).values(rows.from_endpoint(endpoint)))
        await self._core.execute(
            sa.text("INSERT INTO callback_lanes (tenant_id, endpoint_id) VALUES (:tenant_id, :endpoint_id)"),
            {"tenant_id": endpoint.tenant_id, "endpoint_id": endpoint.id},
        )

    async def endpoint(self, id: CallbackEndpointId) -> CallbackEndpoint | None:
        return await self._one(self._own().where(callback_endpoints.c.id == id))

    async def lock(self, id: CallbackEndpointId) -> CallbackEndpoint | None:
        return await self._one(self._own().where(callback_endpoints.c.id == id).with_for_update())

    async def endpoints(self, *, before: UUID | None, limit: int) -> Sequence[CallbackEndpoint]:
        query = self._own()
        if before is not None:
            query = query.where(callback_endpoints.c.id < before)
        found = await self._core.execute(query.order_by(callback_endpoints.c.id.desc()).limit(limit))
        return [rows.to_endpoint(row) for row in found]

    async def update(self, endpoint: CallbackEndpoint) -> None:
        self._written()
        changed = {name: value for name, value in rows.from_endpoint(endpoint).items() if name not in _FIXED}
        mine = (*self._scope(), callback_endpoints.c.id == endpoint.id)
        await self._core.execute(sa.update(callback_endpoints).where(*mine).values(changed))

    async def has_room(self, most: int) -> bool:
        """Every change of the configuration writes the row of its version; locking it first keeps the count exact."""
        v = config_versions.c
        await self._core.execute(sa.select(v.version).where(v.tenant_id == self._tenant_id).with_for_update())
        counted = sa.select(sa.func.count()).select_from(self._own().subquery())
        return (await self._core.scalar(counted) or 0) < most

    def _scope(self) -> list[sa.ColumnElement[bool]]:
        own = [callback_endpoints.c.tenant_id == self._tenant_id]
        return own if isinstance(self._mode, BothModes) else [*own, callback_endpoints.c.mode == self._mode]

    def _own(self) -> sa.Select[tuple[object, ...]]:
        status = callback_endpoints.c.status
        return sa.select(callback_endpoints).where(*self._scope(), status != EndpointStatus.DELETED)

    async def _one(self, query: sa.Select[tuple[object, ...]]) -> CallbackEndpoint | None:
        row = (await self._core.execute(query)).one_or_none()
        return None if row is None else rows.to_endpoint(row)


class PostgresCallbackSecrets:
    """In one open transaction of a tenant. Row-level security hides the secrets of the other mode's endpoints."""

    def __init__(self, core: AsyncConnection, scope: TenantScope) -> None:
        self._core = core
        self._tenant_id = scope.tenant_id

    async def live(self, endpoint_id: CallbackEndpointId, *, at: datetime) -> Sequence[CallbackSecret]:
        s = callback_secrets.c
        query = (
            sa.select(callback_secrets)
            .where(*self._of(endpoint_id), sa.or_(s.expires_at.is_(None), s.expires_at > at))
            .order_by(s.created_at.desc(), s.id.desc())
        )
        return [rows.to_secret(row) for row in await self._core.execute(query)]

    async def add(self, secret: CallbackSecret) -> None:
        values = rows.from_secret(secret) | {"tenant_id": self._tenant_id}
        await self._core.execute(sa.insert(callback_secrets).values(values))

    async def expire(self, endpoint_id: CallbackEndpointId, *, at: datetime) -> None:
        current = (*self._of(endpoint_id), callback_secrets.c.expires_at.is_(None))
        await self._core.execute(sa.update(callback_secrets).where(*current).values(expires_at=at))

    async def forget(self, endpoint_id: CallbackEndpointId, *, keep_current: bool) -> int:
        gone = sa.delete(callback_secrets).where(*self._of(endpoint_id))
        if keep_current:
            gone = gone.where(callback_secrets.c.expires_at.is_not(None))
        return (await self._core.execute(gone)).rowcount

    def _of(self, endpoint_id: CallbackEndpointId) -> tuple[sa.ColumnElement[bool], ...]:
        s = callback_secrets.c
        return s.tenant_id == self._tenant_id, s.endpoint_id == endpoint_id
