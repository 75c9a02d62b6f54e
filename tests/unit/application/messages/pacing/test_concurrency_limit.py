"""Who gets the places that are free, and who waits?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from messaging.application.messages.pacing import concurrency_limit as places_module
from messaging.application.messages.pacing.concurrency_limit import AGEING_STEP, ConcurrencyLimit
from messaging.domain.messages.message import Priority


class Sends:
    """Places with sends in them that end when told to."""

    def __init__(self, concurrency: int = 20) -> None:
        self.concurrency = ConcurrencyLimit(concurrency=concurrency, batch=100)
        self.ends: list[asyncio.Event] = []
        self.served: list[Priority] = []

    async def claim(self, priority: Priority, count: int = 100) -> int:
        """Reserve, and fill up to `count` of what was reserved."""
        async with self.concurrency.reserved(priority) as free:
            self.served.append(priority)
            for _ in range(min(count, free)):
                self.begin(priority)
        return free

    def begin(self, priority: Priority) -> None:
        end = asyncio.Event()
        self.ends.append(end)
        self.concurrency.take(asyncio.create_task(_until(end)), priority)

    async def end(self, count: int) -> None:
        for end in self.ends[:count]:
            end.set()
        del self.ends[:count]
        await settled()


async def _until(end: asyncio.Event) -> None:
    await end.wait()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def sends(concurrency: int = 20) -> AsyncIterator[Sends]:
    world = Sends(concurrency)
    try:
        yield world
    finally:
        await world.end(len(world.ends))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the time that waits are measured by."""
    now = [1_000.0]
    monkeypatch.setattr(places_module, "monotonic", lambda: now[0])

    def forward(seconds: float) -> None:
        now[0] += seconds

    return forward


async def test_each_priority_and_those_below_it_have_a_bounded_share() -> None:
    async with sends() as world:
        assert await world.claim(Priority.LOW) == 10
        assert await world.claim(Priority.DEFAULT) == 5
        assert await world.claim(Priority.HIGH) == 3
        assert await world.claim(Priority.CRITICAL) == 2


async def test_urgent_sends_do_not_use_up_the_share_of_those_below() -> None:
    async with sends() as world:
        await world.claim(Priority.CRITICAL, 12)

        assert await world.claim(Priority.LOW) == 8


async def test_what_is_reserved_is_nobody_elses() -> None:
    async with sends() as world, world.concurrency.reserved(Priority.CRITICAL) as all_of_them:
        waiting = asyncio.create_task(world.claim(Priority.HIGH))
        await settled()

        assert all_of_them == 20
        assert not waiting.done()
        waiting.cancel()


async def test_places_that_a_claim_did_not_use_are_free_again() -> None:
    async with sends() as world:
        await world.claim(Priority.CRITICAL, 1)

        assert await world.claim(Priority.CRITICAL) == 19


async def test_the_most_urgent_gets_the_next_places_whoever_came_first() -> None:
    async with sends() as world:
        await world.claim(Priority.CRITICAL)
        waiting = [asyncio.create_task(world.claim(each)) for each in reversed(Priority)]
        await settled()

        for _ in range(10):
            await world.end(5)

        assert world.served[1:] == list(Priority)
        await asyncio.gather(*waiting)


async def test_who_has_waited_long_comes_before_the_more_urgent(clock: Callable[[float], None]) -> None:
    async with sends() as world:
        await world.claim(Priority.CRITICAL)
        low = asyncio.create_task(world.claim(Priority.LOW))
        await settled()
        clock(3 * AGEING_STEP)
        urgent = asyncio.create_task(world.claim(Priority.CRITICAL))
        await settled()

        for _ in range(4):
            await world.end(5)

        assert world.served == [Priority.CRITICAL, Priority.LOW, Priority.CRITICAL]
        await asyncio.gather(low, urgent)


async def test_ageing_gives_no_larger_share(clock: Callable[[float], None]) -> None:
    async with sends() as world:
        await world.claim(Priority.LOW)
        low = asyncio.create_task(world.claim(Priority.LOW))
        await settled()
        clock(10 * AGEING_STEP)

        assert await world.claim(Priority.CRITICAL) == 10
        assert not low.done()
        low.cancel()


async def test_who_is_held_back_by_its_own_share_lets_others_pass(clock: Callable[[float], None]) -> None:
    async with sends() as world:
        await world.claim(Priority.LOW)
        low = asyncio.create_task(world.claim(Priority.LOW))
        await settled()
        clock(10 * AGEING_STEP)

        assert await world.claim(Priority.DEFAULT) == 5
        low.cancel()


async def test_closing_gives_nobody_a_place_and_keeps_nobody_waiting() -> None:
    async with sends() as world:
        await world.claim(Priority.CRITICAL)
        waiting = asyncio.create_task(world.claim(Priority.LOW))
        await settled()
        world.concurrency.close()

        assert await waiting == 0
        assert await world.claim(Priority.CRITICAL) == 0


async def test_a_claim_that_is_cancelled_leaves_its_place_in_the_queue() -> None:
    async with sends() as world:
        await world.claim(Priority.CRITICAL)
        waiting = asyncio.create_task(world.claim(Priority.HIGH))
        await settled()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await world.end(20)

        assert await world.claim(Priority.CRITICAL) == 20


async def test_what_only_waits_lends_its_place_and_has_one_again_afterwards() -> None:
    sends = Sends(concurrency=1)
    await sends.claim(Priority.CRITICAL)
    [send] = sends.concurrency._under_way

    with sends.concurrency.lent(send, Priority.CRITICAL):
        assert await sends.claim(Priority.CRITICAL) == 1
    third = asyncio.create_task(sends.claim(Priority.CRITICAL))
    sends.ends[0].set()
    await asyncio.sleep(0)

    assert sends.concurrency.taken == 2
    assert not third.done()
    third.cancel()
