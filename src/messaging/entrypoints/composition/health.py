"""Whether a process may take traffic: what Postgres says about itself and our logins, and whether Redis answers."""

from collections.abc import Awaitable, Callable, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from messaging.application.ports.health import Check, Health
from messaging.application.ports.lifecycles import LaneDepth
from messaging.application.ports.unit_of_work import StoreUnavailable


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
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            detail = f"Redis does not answer ({type(error).__name__}). Check APP_REDIS_URL and run `app doctor`."
            return Check(name="redis", ok=False, detail=detail)
        return Check(name="redis", ok=True, detail="")
