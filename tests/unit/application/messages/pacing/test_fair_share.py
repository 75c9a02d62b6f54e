"""Which stretch of a lane is looked at next, and who of it gets the places."""

from collections.abc import Collection, Iterable, Mapping
from typing import cast
from uuid import UUID

from messaging.application.messages.pacing.fair_share import FairShare
from messaging.application.ports.due_messages import DueMessages, View
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.shared.ids import SenderId, TenantId

LANE = DeliverLane(Channel.WHATSAPP, Priority.DEFAULT)
OTHER = DeliverLane(Channel.WHATSAPP, Priority.LOW)
THROTTLED = [UUID(int=99)]


def flow(tenant: int, number: int = 0) -> Flow:
    return Flow(TenantId(UUID(int=tenant)), SenderId(UUID(int=tenant * 100)), UUID(int=number))


class World:
    """Lanes of which two tenants and two flows of each are seen at a time, and what was looked at in them."""

    def __init__(self, *stretches: Mapping[Flow, int], at_most: Mapping[SenderId, int] | None = None) -> None:
        self.stretches = list(stretches)
        self.looks: list[View] = []
        self.asked: list[tuple[int, Collection[UUID]]] = []
        self._at_most = at_most
        self._fair_share = FairShare(at_once=self._at_once, view=View(tenants=2, flows=2))

    async def _at_once(self, lane: DeliverLane, flows: Iterable[Flow]) -> Mapping[SenderId, int]:
        return self._at_most or {flow.sender_id: 1_000 for flow in flows}

    async def flows_due(
        self, lane: DeliverLane, view: View, *, concurrency: int, throttled: Collection[UUID]
    ) -> Mapping[Flow, int]:
        self.looks.append(view)
        self.asked.append((concurrency, throttled))
        return self.stretches.pop(0) if self.stretches else {}

    async def quotas(self, places: int = 10, lane: DeliverLane = LANE) -> Mapping[Flow, int]:
        return await self._fair_share.quotas(cast(DueMessages, self), lane, places, THROTTLED)


async def test_places_are_shared_among_those_who_wait() -> None:
    world = World({flow(1): 50, flow(2): 3, flow(3): 0})

    assert await world.quotas() == {flow(1): 7, flow(2): 3}
    assert world.asked == [(10, THROTTLED)]


async def test_a_sender_gets_no_more_than_could_leave_now() -> None:
    world = World({flow(1): 50, flow(2): 50}, at_most={flow(1).sender_id: 2, flow(2).sender_id: 50})

    assert await world.quotas() == {flow(1): 2, flow(2): 8}


async def test_the_next_look_goes_on_behind_the_last_tenant() -> None:
    world = World({flow(1): 1, flow(2): 1}, {flow(3): 1})

    await world.quotas()
    await world.quotas()
    await world.quotas()

    assert [look.behind for look in world.looks] == [None, flow(2).tenant_id, flow(3).tenant_id]


async def test_another_lane_is_looked_at_from_its_own_beginning() -> None:
    world = World({flow(1): 1, flow(2): 1}, {flow(3): 1})

    await world.quotas()
    await world.quotas(lane=OTHER)

    assert world.looks[1].behind is None


async def test_within_a_tenant_that_was_not_seen_whole_it_goes_on_behind_its_last_flow() -> None:
    world = World({flow(1, 1): 1, flow(1, 2): 1, flow(2, 1): 1}, {flow(1, 3): 1, flow(2, 1): 1})

    await world.quotas()
    await world.quotas()
    await world.quotas()

    assert [dict(look.left_off) for look in world.looks] == [{}, {flow(1).tenant_id: flow(1, 2)}, {}]


async def test_what_was_left_off_is_kept_until_that_tenant_is_seen_again() -> None:
    world = World({flow(1, 1): 1, flow(1, 2): 1}, {flow(2): 1})

    await world.quotas()
    await world.quotas()
    await world.quotas()

    assert world.looks[2].left_off == {flow(1).tenant_id: flow(1, 2)}


async def test_a_stretch_without_anything_due_is_passed_over() -> None:
    world = World({flow(1): 0, flow(2): 0}, {flow(3): 4, flow(4): 0})

    assert await world.quotas() == {flow(3): 4}


async def test_the_end_of_a_lane_without_anything_due_ends_the_search() -> None:
    world = World({flow(1): 0, flow(2): 0}, {flow(3): 0}, {flow(4): 1})

    assert await world.quotas() == {}
    assert len(world.looks) == 2


async def test_a_long_lane_without_anything_due_is_given_up_for_now() -> None:
    world = World(*[{flow(number): 0, flow(number + 1): 0} for number in range(1, 200, 2)])

    assert await world.quotas() == {}
    assert len(world.looks) == 50
