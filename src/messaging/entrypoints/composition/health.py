"""May this process take traffic? What Postgres says about itself, and whether Redis answers."""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from messaging.application.ports.health import Check, Health
from messaging.application.ports.lifecycles import LaneDepth


class ProcessHealth:
    """The `Health` of a whole process."""

    def __init__(self, *, store: Health, redis: Redis) -> None:
        self._store = store
        self._redis = redis

    async def checks(self) -> Sequence[Check]:
        return (*await self._store.checks(), await self._redis_check())

    async def lane_depths(self) -> Sequence[LaneDepth]:
        return await self._store.lane_depths()

    async def _redis_check(self) -> Check:
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            detail = f"Redis does not answer ({type(error).__name__}). Check APP_REDIS_URL and run `app doctor`."
            return Check(name="redis", ok=False, detail=detail)
        return Check(name="redis", ok=True, detail="")
