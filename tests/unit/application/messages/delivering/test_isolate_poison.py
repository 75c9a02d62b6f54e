"""Messages that may have crashed their last worker: how long they are isolated, and how they are tried."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from messaging.application.messages.delivering.claim import Claim, ClaimDue, isolation_lease
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.isolate_poison import IsolatePoison
from messaging.application.ports.due_messages import Due
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.state import State
from tests.fakes.installed import CAPABILITIES_OF
from tests.unit.application.messages.stored import Stored, at, key_of


@pytest.mark.parametrize("lease", [timedelta(seconds=1.5), timedelta(seconds=3), timedelta(seconds=35)])
def test_the_innocent_are_due_again_before_the_culprit(lease: timedelta) -> None:
    assert timedelta(0) < isolation_lease(lease) < lease


def test_a_long_lease_does_not_make_them_wait_long() -> None:
    assert isolation_lease(timedelta(minutes=5)) == timedelta(seconds=2)


# --- one after the other ----------------------------------------------------------------------------------------------


class World:
    """Suspects that are tried; `begun` are those that were claimed and began, until each is told to `end`."""

    def __init__(self) -> None:
        self.stored = Stored()
        self.begun: list[tuple[int, asyncio.Event]] = []
        self.waits = 0
        not_asked: Any = None
        open_uow: Any = self.stored.open_uow
        terms = DeliveryTerms(worker="w1", lease=timedelta(seconds=30))
        claim = ClaimDue(
            open_uow=open_uow, fair_share=not_asked, gate=not_asked, terms=terms, capabilities=CAPABILITIES_OF
        )
        self.isolate = IsolatePoison(claim=claim.alone, wait_for_one=self._wait_for_one, begin=self._begin)

    async def _wait_for_one(self) -> None:
        self.waits += 1

    def _begin(self, claim: Claim) -> asyncio.Event:
        ended = asyncio.Event()
        self.begun.append((int.from_bytes(claim.due.recipient_index), ended))
        return ended

    def add(self, *numbers: int, failures: int = 1, **changes: Any) -> None:
        for number in numbers:
            self.stored.put(number, State.QUEUED, waits_for=DispatchKind.DELIVER, claim_failures=failures, **changes)
        self.isolate.add([self.due(number) for number in numbers])

    def due(self, number: int) -> Due:
        stored = self.stored.of(number)
        return Due(
            message=stored.state,
            sealed=b"",
            flow_id=stored.flow_id,
            recipient_index=stored.recipient_index,
        )

    async def settle(self) -> list[int]:
        """Which have begun so far."""
        for _ in range(20):
            await asyncio.sleep(0)
        return [number for number, _ in self.begun]

    async def end(self) -> list[int]:
        """The one under way ends."""
        self.begun[-1][1].set()
        return await self.settle()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for _, ended in world.begun:
        ended.set()
    await world.isolate.stop()


async def test_a_suspect_is_claimed_when_the_one_before_has_ended(world: World) -> None:
    world.add(1, 2)

    assert await world.settle() == [1]
    assert world.stored.states() == {1: State.CLAIMED, 2: State.QUEUED}
    assert await world.end() == [1, 2]
    assert await world.end() == [1, 2]
    assert world.waits == 2
    world.add(3)
    assert await world.settle() == [1, 2, 3]


async def test_who_has_fewer_marks_goes_first(world: World) -> None:
    world.add(1, failures=2)
    world.add(2)
    world.add(3, failures=2)

    assert await world.settle() == [2]
    assert await world.end() == [2, 1]


async def test_one_that_is_added_twice_is_tried_once(world: World) -> None:
    world.add(1, 2)
    world.add(2)
    await world.settle()
    await world.end()

    assert await world.end() == [1, 2]


async def test_one_that_has_moved_meanwhile_is_passed_over(world: World) -> None:
    world.add(1, 2)
    world.stored.put(1, State.QUEUED, waits_for=DispatchKind.DELIVER, claim_failures=1, seq=9)

    assert await world.settle() == [2]
    assert world.stored.states()[1] is State.QUEUED


async def test_one_that_is_gone_and_one_that_has_expired_are_passed_over(world: World) -> None:
    world.add(1, 2, 3, expires_at=at(0))
    del world.stored.messages.stored[key_of(1)]

    assert await world.settle() == []
    assert world.stored.states() == {2: State.EXPIRED, 3: State.EXPIRED}


async def test_none_is_claimed_while_a_failover_is_unsettled(world: World) -> None:
    world.stored.server.switch()
    world.add(1)

    assert (await world.settle(), world.stored.states()) == ([], {1: State.QUEUED})


async def test_when_the_store_is_away_the_rest_is_left_to_the_next_look(world: World) -> None:
    world.stored.away = True
    world.add(1, 2)
    first = await world.settle()
    world.stored.away = False

    assert (first, await world.settle()) == ([], [])
    world.add(1)
    assert await world.settle() == [1]


async def test_after_the_stop_no_further_one_is_tried(world: World) -> None:
    world.add(1, 2)
    await world.settle()
    stopping = asyncio.create_task(world.isolate.stop())
    await world.end()
    await stopping
    world.add(3)

    assert await world.settle() == [1]


async def test_stopping_waits_for_nothing_if_nothing_is_tried() -> None:
    await World().isolate.stop()
