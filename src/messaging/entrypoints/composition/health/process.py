"""Decides whether a process may take traffic, from checks of Postgres, its logins, Redis and the workers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from messaging.application.ports.health import Check, Health
from messaging.application.ports.job_records import JobCount
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.providers.descriptor import CarriedChannels
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.ports.workers import SeenWorker, Workers, served
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message import Priority

_REDIS_SECONDS: Final = 2.0
# Names of silent workers that one line lists.
_FEW: Final = 5
_PROBE: Final = "messaging:probe"
_PROBE_MILLISECONDS: Final = 10_000
_MEND: Final = "Until it is back, work is found in PostgreSQL; check APP_REDIS_URL, then: app doctor"


def lanes_carried(carried: CarriedChannels) -> tuple[DeliverLane, ...]:
    """The lanes in which messages can exist: those of channels that a provider carries."""
    channels = sorted(frozenset().union(*carried.values()))
    return tuple(DeliverLane(channel, priority) for channel in channels for priority in Priority)


def workers_check(seen: Sequence[SeenWorker], lanes: Sequence[DeliverLane]) -> Check:
    """Checks that each lane, and stored webhooks, are taken by a live worker. Without, messages are still accepted."""
    live = [worker for worker in seen if worker.is_live]
    missing = [f"{lane.channel}/{lane.priority}" for lane in lanes if lane not in served(seen)]
    if not any(worker.webhooks for worker in live):
        missing.append("stored webhooks")
    silent = [f"{worker.name} (silent for {worker.age:.0f} s)" for worker in seen if not worker.is_live]
    detail = f"{len(live)} live"
    if silent:
        detail += f"; gone without leaving: {', '.join(silent[:_FEW])}"
    if missing:
        detail += f"; nobody takes {', '.join(missing)}. Start one: app worker"
    return Check(name="workers", ok=not missing, detail=detail, tolerable=True)


class ProcessHealth:
    """The health of a whole process, and of the installation as far as it can be seen from one."""

    def __init__(
        self,
        *,
        store: Health,
        logins: Callable[[], Awaitable[Check]],
        workers: Workers,
        carried: CarriedChannels,
        redis: Redis,
    ) -> None:
        self._store = store
        self._logins = logins
        self._workers = workers
        self._lanes = lanes_carried(carried)
        self._redis = redis

    async def checks(self) -> Sequence[Check]:
        store = await self._store.checks()
        more = await self._of_a_store_that_works() if all(check.ok or check.tolerable for check in store) else ()
        return (*store, *more, await self._redis_check())

    async def lane_depths(self) -> Sequence[LaneDepth]:
        return await self._store.lane_depths()

    async def job_counts(self) -> Sequence[JobCount]:
        return await self._store.job_counts()

    async def lane_workers(self) -> Mapping[DeliverLane, int]:
        live = [worker for worker in await self._workers.seen() if worker.is_live]
        return {lane: sum(lane in worker.lanes for worker in live) for lane in self._lanes}

    async def _of_a_store_that_works(self) -> Sequence[Check]:
        try:
            return await self._logins(), workers_check(await self._workers.seen(), self._lanes)
        except StoreUnavailable:
            return (Check(name="postgres", ok=False, detail="went away just now: app doctor"),)

    async def _redis_check(self) -> Check:
        """Checks Redis by a write: a replica, or a server without memory or disk, would still answer a ping."""
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
