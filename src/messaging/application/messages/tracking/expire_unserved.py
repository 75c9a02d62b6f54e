"""Expires due messages of lanes that no live worker serves."""

from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.application.ports.unserved_messages import Place
from messaging.application.ports.workers import Workers, served
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.transitions import lifecycle

_PAGE = 2_000
EVERY_LANE = tuple(DeliverLane(channel, priority) for channel in Channel for priority in Priority)


class ExpireUnserved:
    """Expires messages of lanes without a worker; in other lanes a claim does it. Any worker may run it, for all such
    lanes.
    """

    def __init__(self, *, open_uow: OpenSystemUnitOfWork, workers: Workers) -> None:
        self._open_uow = open_uow
        self._workers = workers

    async def __call__(self) -> int:
        """The number of expired messages. Queries nothing while every lane has a worker. Raises StoreUnavailable."""
        taken = served(await self._workers.seen())
        return sum([await self._expire(lane) for lane in EVERY_LANE if lane not in taken])

    async def _expire(self, lane: DeliverLane) -> int:
        """Go through the whole lane, one page in each transaction."""
        ended = 0
        place: Place | None = Place()
        while place is not None:
            async with self._open_uow() as uow:
                page = await uow.unserved_messages.lock_expired_in(lane, after=place, limit=_PAGE)
                changes = [change for message in page.messages if (change := lifecycle.expire(message)) is not None]
                await uow.lifecycles.apply(changes)
                await uow.commit()
            ended += len(changes)
            place = page.next
        return ended
