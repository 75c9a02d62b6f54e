"""Which wakeups does a pass publish, and what happens when it cannot?"""

from collections.abc import AsyncIterator, Collection, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import cast
from uuid import UUID

import pytest

from messaging.application.jobs import JobLane
from messaging.application.outbox.relay import RelayDueWork
from messaging.application.ports.unit_of_work import StoreUnavailable, SystemUnitOfWork
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, RunJobs, Upkeep, Wakeup
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import DispatchKind
from tests.builders import SENDER
from tests.fakes.telemetry import Counts
from tests.fakes.wakeups import InMemoryWakeupQueue

OTP = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)
BULK = DeliverLane(Channel.WHATSAPP, Priority.LOW)


class Outbox:
    """Says what is due; doubles as the unit of work and its dispatches."""

    def __init__(self) -> None:
        self.due: list[DispatchKind | DeliverLane] = []
        self.asked: Sequence[DispatchKind] = ()
        self.throttled: Collection[tuple[DeliverLane, UUID]] = ()
        self.away = False
        self.job_lanes: set[JobLane] = set()
        self.dispatches = self.due_jobs = self

    async def lanes_due(self, lanes: Collection[JobLane]) -> AbstractSet[JobLane]:
        return self.job_lanes.intersection(lanes)

    async def lanes_with_work(
        self, kinds: Sequence[DispatchKind], *, throttled: Collection[tuple[DeliverLane, UUID]]
    ) -> Sequence[DispatchKind | DeliverLane]:
        self.asked, self.throttled = kinds, throttled
        return self.due

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SystemUnitOfWork]:
        if self.away:
            raise StoreUnavailable
        yield cast(SystemUnitOfWork, self)


class World:
    def __init__(self, *, lanes: Sequence[DeliverLane] = (OTP, BULK), webhooks: bool = True) -> None:
        self.outbox, self.queue, self.started = Outbox(), InMemoryWakeupQueue(), list[Wakeup]()
        self.relay = RelayDueWork(
            open_uow=self.outbox.open,
            queue=self.queue,
            lanes=lanes,
            webhooks=webhooks,
            fallback=self.started.extend,
            throttled=lambda: [(BULK, SENDER)],
            telemetry=Counts(),
        )


async def test_those_who_rest_are_left_out_of_the_question() -> None:
    world = World()

    await world.relay()

    assert world.outbox.throttled == [(BULK, SENDER)]


async def test_each_kind_of_work_that_is_due_gets_one_hint() -> None:
    world = World()
    world.outbox.due = [OTP, BULK, DispatchKind.PROCESS_WEBHOOK, DispatchKind.REMATCH, DispatchKind.RESOLVE_UNKNOWN]
    world.outbox.due.append(DispatchKind.POLL_STATUS)

    assert await world.relay() == 4

    assert world.queue.woken == [OTP, BULK, ProcessWebhooks(), Upkeep()]
    assert world.started == []


async def test_when_nothing_is_due_the_queue_is_left_alone() -> None:
    world = World()
    world.queue.away = True

    assert await world.relay() == 0


async def test_a_worker_for_one_lane_hints_that_lane_only() -> None:
    world = World(lanes=[OTP], webhooks=False)
    world.outbox.due = [OTP, BULK]

    assert await world.relay() == 1

    assert world.queue.woken == [OTP]
    assert set(world.outbox.asked) == {DispatchKind.DELIVER, DispatchKind.RESOLVE_UNKNOWN, DispatchKind.POLL_STATUS}


async def test_each_lane_of_jobs_has_a_wakeup_of_its_own_that_every_worker_publishes() -> None:
    world = World(lanes=[], webhooks=False)
    world.outbox.job_lanes = {JobLane.PROMPT, JobLane.BULK}

    assert await world.relay() == 2

    assert world.queue.woken == [RunJobs(JobLane.BULK), RunJobs(JobLane.PROMPT)]


async def test_without_the_queue_the_work_is_started_here() -> None:
    world = World()
    world.outbox.due = [BULK, DispatchKind.REMATCH]
    world.queue.away = True

    assert await world.relay() == 2

    assert world.started == [BULK, ProcessWebhooks()]


async def test_every_pass_asks_again_so_a_lost_hint_is_made_anew() -> None:
    world = World()
    world.outbox.due = [OTP]

    await world.relay()
    await world.relay()

    assert world.queue.woken == [OTP, OTP]


async def test_without_the_store_nothing_is_guessed() -> None:
    world = World()
    world.outbox.away = True

    with pytest.raises(StoreUnavailable):
        await world.relay()

    assert world.queue.woken == []
