"""The incidents of the status page, in Postgres."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.adapters.postgres.schema.tables import incidents
from messaging.domain.shared.ids import IncidentId
from messaging.domain.status.components import Component
from messaging.domain.status.incident import Impact, Incident, IncidentStatus, Update

_i = incidents.c


class PostgresIncidents:
    """Incidents, in one open transaction of the role `messaging_system`."""

    def __init__(self, core: AsyncConnection) -> None:
        self._core = core

    async def add(self, incident: Incident) -> None:
        await self._core.execute(sa.insert(incidents).values(_row_of(incident)))

    async def lock(self, id: IncidentId) -> Incident | None:
        query = sa.select(incidents).where(_i.id == id).with_for_update()
        row = (await self._core.execute(query)).one_or_none()
        return None if row is None else _incident(row)

    async def save(self, incident: Incident) -> None:
        await self._core.execute(sa.update(incidents).where(_i.id == incident.id).values(_row_of(incident)))

    async def page(self, *, before: UUID | None, limit: int) -> Sequence[Incident]:
        query = sa.select(incidents).order_by(_i.id.desc()).limit(limit)
        if before is not None:
            query = query.where(_i.id < before)
        return [_incident(row) for row in await self._core.execute(query)]


def _row_of(incident: Incident) -> dict[str, Any]:
    lists = {"components": list(incident.components), "updates": msgspec.to_builtins(incident.updates)}
    return msgspec.structs.asdict(incident) | lists


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        id=IncidentId(row.id),
        title=row.title,
        impact=Impact(row.impact),
        components=tuple(map(Component, row.components)),
        updates=msgspec.convert(row.updates, tuple[Update, ...]),
        drafted_at=row.drafted_at,
        status=IncidentStatus(row.status),
        published_at=row.published_at,
        resolved_at=row.resolved_at,
        post_mortem=row.post_mortem,
        post_mortem_at=row.post_mortem_at,
    )
