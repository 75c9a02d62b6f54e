"""Claims lanes of endpoints that are due, with as many callbacks as may be posted at once, each with its attempt."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from msgspec import Struct

from messaging.application import crashpoints
from messaging.application.callbacks.delivering.capacity import Capacity
from messaging.application.callbacks.delivering.outgoing import Callback
from messaging.application.callbacks.delivering.start_attempts import StartAttempts
from messaging.application.ports.callbacks.delivering.lanes import ClaimedLane, EndpointKey, Head, LaneChange, Wanted
from messaging.application.ports.callbacks.delivering.log import EndedCallback
from messaging.application.ports.unit_of_work import CallbackQueueRoles, OpenCallbackQueue
from messaging.domain.callbacks.breaker import BreakerState, allowance
from messaging.domain.callbacks.endpoint import EndpointStatus
from messaging.domain.callbacks.verdict import End
from messaging.domain.shared.ids import TenantId

# A lane belongs to its worker for so long from when its last callback was started: longer than any exchange.
LEASE: Final = timedelta(seconds=45)
_LANES: Final = 50
_HEADS: Final = 32
# Callbacks that are held, or dropped, in one transaction.
_PAGE: Final = 5_000


class TakenLane(Struct, frozen=True):
    """A claimed lane and the callbacks to post first."""

    lane: ClaimedLane
    callbacks: Sequence[Callback]


class ClaimCallbacks:
    """Holds besides what waits for endpoints that are not enabled, and drops what waits for deleted ones."""

    def __init__(self, *, open_uow: OpenCallbackQueue, start: StartAttempts) -> None:
        self._open = open_uow
        self._start = start

    async def __call__(self, capacity: Capacity, *, slow: bool) -> tuple[int, Sequence[TakenLane]]:
        """How many lanes were looked at, and those to work on. Raises StoreUnavailable."""
        if not capacity.free:
            return 0, []
        lanes = min(_LANES, capacity.free)
        wanted = Wanted(
            lanes=lanes,
            heads_each=min(max(capacity.free // lanes, 1), _HEADS),
            lease=LEASE,
            slow=slow,
            full=capacity.full(),
        )
        async with self._open() as uow:
            claimed = await uow.lanes.claim(wanted)
            if not claimed:
                return 0, []
            taken = await self._take(uow, claimed, capacity)
            crashpoints.reach("callback_claim.before_commit")
            await uow.commit()
        crashpoints.reach("callback_claim.after_commit")
        return len(claimed), taken

    async def _take(
        self, uow: CallbackQueueRoles, claimed: Sequence[ClaimedLane], capacity: Capacity
    ) -> Sequence[TakenLane]:
        room = {lane.endpoint.tenant_id: capacity.free_for(lane.endpoint.tenant_id) for lane in claimed}
        heads = {lane.endpoint: _admitted(lane, room) for lane in claimed}
        started = await self._start(uow, heads, probes={lane.endpoint: _is_probed(lane) for lane in claimed})
        for lane in claimed:
            if lane.status != EndpointStatus.ENABLED or (heads[lane.endpoint] and lane.endpoint not in started):
                await _put_aside(uow, lane)
        idle = [LaneChange(endpoint=it.endpoint, health=it.health) for it in claimed if it.endpoint not in started]
        await uow.lanes.apply(idle)
        return [TakenLane(lane, started[lane.endpoint]) for lane in claimed if lane.endpoint in started]


def _admitted(lane: ClaimedLane, room: dict[TenantId, int]) -> Sequence[Head]:
    """As many as the breaker, the rate and the tenant's share allow."""
    tenant_id = lane.endpoint.tenant_id
    allowed = allowance(lane.health, max_in_flight=lane.max_in_flight, now=lane.claimed_at)
    heads = lane.heads[: min(allowed, lane.rate or allowed, room[tenant_id])]
    room[tenant_id] -= len(heads)
    return heads


def _is_probed(lane: ClaimedLane) -> bool:
    return lane.health.breaker is BreakerState.OPEN


async def _put_aside(uow: CallbackQueueRoles, lane: ClaimedLane) -> None:
    await uow.held_callbacks.hold(lane.endpoint, limit=_PAGE)
    if lane.status == EndpointStatus.DELETED:
        await drop_all(uow, lane.endpoint)


async def drop_all(uow: CallbackQueueRoles, endpoint: EndpointKey) -> None:
    """Discard a page of what is held for a deleted endpoint."""
    dropped = await uow.held_callbacks.drop(endpoint, before=None, limit=_PAGE)
    await uow.callback_log.end(
        [
            EndedCallback(
                endpoint=it.endpoint,
                event_id=it.event_id,
                state=End.DISCARDED,
                attempts=it.tries,
                last_failure="endpoint_deleted",
            )
            for it in dropped
        ]
    )
