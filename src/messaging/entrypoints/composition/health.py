"""Whether a process may take traffic: what Postgres says about itself and our logins, and whether Redis answers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from messaging.application.ports.health import Check, Health
from messaging.application.ports.lifecycles import LaneDepth
from messaging.application.ports.unit_of_work import StoreUnavailable

_REDIS_SECONDS: Final = 2.0
_PROBE: Final = "messaging:probe"
_PROBE_MILLISECONDS: Final = 10_000
_MEND: Final = "Until it is back, work is found in PostgreSQL; check APP_REDIS_URL, then: app doctor"


class ProcessHealth:
    """The `Health` of a whole process."""

    def __init__(self, *, store: Health, logins: Callable[[], Awaitable[Check]], redis: Redis) -> None:
        self._store = store
        self._logins = logins
        self._redis = redis

    async def checks(self) -> Sequence[Check]:
        store = await self._store.checks()
        logins = [await self._logins_check()] if all(check.ok for check in store) else []
        return (*store, *logins, await self._redis_check())

    async def lane_depths(self) -> Sequence[LaneDepth]:
        return await self._store.lane_depths()

    async def _logins_check(self) -> Check:
        try:
            return await self._logins()
        except StoreUnavailable:
            return Check(name="logins", ok=False, detail="PostgreSQL went away: app doctor")

    async def _redis_check(self) -> Check:
        """Asked by a write: a replica, and a server without memory or disk, would still answer a ping."""
        try:
            async with asyncio.timeout(_REDIS_SECONDS):
                await self._redis.set(_PROBE, b"1", px=_PROBE_MILLISECONDS)
        except ResponseError as error:
            detail = (
                f"Redis refuses writes ({type(error).__name__}): it only reads, or is out of memory or disk. {_MEND}"
            )
        except (RedisError, OSError) as error:
            detail = f"Redis does not answer ({type(error).__name__}). {_MEND}"
        else:
            return Check(name="redis", ok=True, detail="takes writes")
        return Check(name="redis", ok=False, detail=detail, tolerable=True)
