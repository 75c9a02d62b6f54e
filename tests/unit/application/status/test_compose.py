"""What the status page says, with the database and without it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from messaging.application.ports.callbacks.delivering.depths import CallbackDepths
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.status.compose import ComposeStatus
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.status.components import Component, ComponentState, Figures
from messaging.domain.status.incident import Incident
from tests.builders import NOON
from tests.fakes.incidents import InMemoryIncidents
from tests.fakes.telemetry import Counts
from tests.incidents import FIRST, SECOND, an_incident

LANE = DeliverLane(Channel.SMS, Priority.CRITICAL)
DAY = timedelta(days=1)


class World:
    """A database that may be away, with a lane whose oldest message is so old."""

    def __init__(self, *incidents: Incident) -> None:
        self.incidents = InMemoryIncidents(*incidents)
        self.away = False
        self.oldest = timedelta(0)
        self.pending = 0.0
        self.now: datetime = NOON
        self.counts = Counts()
        doubles: Any = {
            "callbacks": self,
            "health": self,
            "open_system_uow": self.open,
            "clock": SimpleNamespace(now=lambda: self.now),
        }
        self.compose = ComposeStatus(
            probe=self.probe, channels={Channel.SMS, Channel.EMAIL}, telemetry=self.counts, **doubles
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Any]:
        if self.away:
            raise StoreUnavailable
        yield self

    async def probe(self) -> Figures:
        return Figures(store_answers=True)

    async def lane_depths(self) -> Sequence[LaneDepth]:
        if self.away:
            raise StoreUnavailable
        return [LaneDepth(lane=LANE, due=1, waiting=0, oldest_due_at=self.now - self.oldest)]

    async def depths(self) -> CallbackDepths:
        if self.away:
            raise StoreUnavailable
        return CallbackDepths(lanes={}, slow=0, due=0, held=0, oldest_due=5.0, oldest_pending=self.pending)

    async def lane_workers(self) -> Mapping[DeliverLane, int]:
        return {LANE: 1}


async def test_a_late_lane_is_on_the_page() -> None:
    world = World()
    world.oldest = timedelta(seconds=20)

    page = await world.compose()

    assert page.components == {
        Component.ACCEPT: ComponentState.OPERATIONAL,
        Component.CALLBACKS: ComponentState.OPERATIONAL,
        Component.EMAIL: ComponentState.OPERATIONAL,
        Component.SMS: ComponentState.DEGRADED,
        Component.WEBHOOKS: ComponentState.OPERATIONAL,
    }
    assert page.overall is ComponentState.DEGRADED


async def test_events_that_nobody_fans_out_are_on_the_page() -> None:
    world = World()
    world.pending = 60.0

    assert (await world.compose()).components[Component.CALLBACKS] is ComponentState.DEGRADED


async def test_open_incidents_make_their_components_worse_and_drafts_and_ended_ones_do_not() -> None:
    ended = SECOND.published(now=NOON).resolved("Over.", now=NOON)
    world = World(FIRST, ended, an_incident(3).published(now=NOON))

    page = await world.compose()

    assert [incident.id for incident in page.incidents] == [an_incident(3).id, ended.id]
    assert page.components[Component.SMS] is ComponentState.DEGRADED
    assert page.components[Component.ACCEPT] is ComponentState.OPERATIONAL


async def test_the_page_is_there_without_the_database_and_keeps_its_incidents() -> None:
    world = World(FIRST.published(now=NOON))
    await world.compose()
    world.away = True

    page = await world.compose()

    assert set(page.components.values()) == {ComponentState.OUTAGE}
    assert len(page.incidents) == 1


async def test_incidents_are_told_as_overdue_after_two_days_and_leave_the_page_after_ninety() -> None:
    world = World(FIRST.published(now=NOON).resolved("Over.", now=NOON))
    seen = []
    for days in (1, 2, 90):
        world.now = NOON + days * DAY
        page = await world.compose()
        seen.append((world.counts.gauges["post_mortems_overdue{}"], len(page.incidents)))

    assert seen == [(0, 1), (1, 1), (1, 0)]
