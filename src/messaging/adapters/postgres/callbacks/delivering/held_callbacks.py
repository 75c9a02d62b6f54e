"""Holds the callbacks of endpoints that are not enabled, lets them go again, and deletes those nobody wants."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from asyncpg import Record

from messaging.adapters.postgres.callbacks.delivering import held_statements as sql
from messaging.adapters.postgres.callbacks.delivering.lane_statements import LOCK_LANES
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.delivering.lanes import DroppedCallback, EndpointKey


class PostgresHeldCallbacks:
    """Held callbacks, in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def hold(self, endpoint: EndpointKey, *, limit: int) -> int:
        await self._lock(endpoint)
        return _affected(await self._driver.execute(sql.HOLD, *endpoint, limit))

    async def release(self, endpoint: EndpointKey, *, window: timedelta, limit: int) -> int:
        await self._lock(endpoint)
        released = _affected(await self._driver.execute(sql.RELEASE, *endpoint, window, limit))
        if released:
            await self._driver.execute(sql.DUE_NOW, *endpoint)
        return released

    async def drop(self, endpoint: EndpointKey, *, before: datetime | None, limit: int) -> Sequence[DroppedCallback]:
        await self._lock(endpoint)
        return [_dropped(row) for row in await self._driver.fetch(sql.DROP, *endpoint, before, limit)]

    async def drop_old(self, *, held_for: timedelta, limit: int) -> Sequence[DroppedCallback]:
        return [_dropped(row) for row in await self._driver.fetch(sql.DROP_OLD, held_for, limit)]

    async def _lock(self, endpoint: EndpointKey) -> None:
        await self._driver.fetch(LOCK_LANES, [endpoint.tenant_id], [endpoint.endpoint_id])


def _affected(answer: str) -> int:
    """The number of rows in the tag of an answered UPDATE."""
    return int(answer.rpartition(" ")[2])


def _dropped(row: Record) -> DroppedCallback:
    endpoint = EndpointKey(row["tenant_id"], row["endpoint_id"])
    return DroppedCallback(endpoint=endpoint, event_id=row["event_id"], tries=row["attempts"])
