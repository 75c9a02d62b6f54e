"""Who gets free concurrency and who waits; slow sends and slow start."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from messaging.application.messages.pacing import concurrency_limit as concurrency_limit_module
from messaging.application.messages.pacing.concurrency_limit import (
    AGEING_STEP,
    ConcurrencyLimit,
    CountedSend,
    SendPace,
)
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import SenderId
from tests.builders import SENDER, a_state

OTHER = SenderId(UUID(int=22))


class Sends:
    """A limit and the sends that count against it, which end when told to."""

    def __init__(self, concurrency: int = 20, **pace: timedelta) -> None:
        self.limit = ConcurrencyLimit(concurrency=concurrency, batch=100, pace=SendPace(**pace))
        self.sends: list[CountedSend] = []
        self.served: list[Priority] = []

    async def claim(self, priority: Priority, count: int = 100) -> int:
        """Reserve, and fill up to `count` of what was reserved."""
        async with self.limit.reserved(priority) as free:
            self.served.append(priority)
            self.begin(min(count, free), priority)
        return free

    def begin(self, count: int, priority: Priority = Priority.DEFAULT, sender: SenderId = SENDER) -> None:
        message = a_state(priority=priority, sender_id=sender)
        self.sends += [self.limit.enter(message) for _ in range(count)]

    async def end(self, count: int) -> None:
        for send in self.sends[:count]:
            self.limit.leave(send)
        del self.sends[:count]
        await settled()

    async def free(self) -> int:
        async with self.limit.reserved(Priority.CRITICAL) as concurrency:
            return concurrency


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def sends(concurrency: int = 20, **pace: timedelta) -> AsyncIterator[Sends]:
    world = Sends(concurrency, **pace)
    try:
        yield world
    finally:
        await world.end(len(world.sends))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the time that waits are measured by."""
    now = [1_000.0]
    monkeypatch.setattr(concurrency_limit_module, "monotonic", lambda: now[0])

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
    async with sends() as world, world.limit.reserved(Priority.CRITICAL) as all_of_them:
        waiting = asyncio.create_task(world.claim(Priority.HIGH))
        await settled()

        assert all_of_them == 20
        assert not waiting.done()
        waiting.cancel()


async def test_concurrency_that_a_claim_did_not_use_is_free_again() -> None:
    async with sends() as world:
        await world.claim(Priority.CRITICAL, 1)

        assert await world.claim(Priority.CRITICAL) == 19


async def test_the_most_urgent_claim_is_served_next_whoever_came_first() -> None:
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


async def test_closing_grants_nothing_and_keeps_nobody_waiting() -> None:
    async with sends() as world:
        await world.claim(Priority.CRITICAL)
        waiting = asyncio.create_task(world.claim(Priority.LOW))
        await settled()
        world.limit.close()

        assert await waiting == 0
        assert await world.claim(Priority.CRITICAL) == 0


async def test_a_claim_that_is_cancelled_is_not_served() -> None:
    async with sends() as world:
        await world.claim(Priority.CRITICAL)
        waiting = asyncio.create_task(world.claim(Priority.HIGH))
        await settled()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await world.end(20)

        assert await world.claim(Priority.CRITICAL) == 20


async def test_a_send_that_only_waits_lends_its_concurrency_and_counts_again_afterwards() -> None:
    async with sends(concurrency=1) as world:
        await world.claim(Priority.CRITICAL)
        [send] = world.sends

        with world.limit.lent(send):
            assert await world.claim(Priority.CRITICAL) == 1
        third = asyncio.create_task(world.claim(Priority.CRITICAL))
        await world.end(1)

        assert not third.done()
        third.cancel()


async def test_no_more_is_lent_than_may_be_under_way() -> None:
    async with sends(concurrency=2) as world:
        world.begin(3)
        with world.limit.lent(world.sends[0]), world.limit.lent(world.sends[1]):
            waiting = asyncio.create_task(world.limit.wait_for_one())
            await settled()
            assert waiting.done()
            world.begin(1)
            with world.limit.lent(world.sends[2]):
                waiting = asyncio.create_task(world.limit.wait_for_one())
                await settled()

                assert not waiting.done()
                waiting.cancel()


async def test_whoever_waits_for_one_waits_while_all_are_used_and_no_longer() -> None:
    async with sends(concurrency=3) as world:
        world.begin(2)
        await world.limit.wait_for_one()
        world.begin(2)
        waiting = asyncio.create_task(world.limit.wait_for_one())
        await world.end(1)
        waits_for_all_but_two = not waiting.done()
        await world.end(1)

        assert waits_for_all_but_two
        assert waiting.done()


# --- slow sends -------------------------------------------------------------------------------------------------------


SLOW_AT_ONCE: Final = timedelta(0)


async def test_sends_that_are_not_slow_keep_their_concurrency() -> None:
    async with sends(concurrency=16, slow_after=timedelta(hours=1)) as world:
        world.begin(12)
        await asyncio.sleep(0.01)

        assert await world.free() == 4
        assert not world.limit.has_too_many_slow(SENDER, Priority.DEFAULT)


async def test_slow_sends_give_theirs_back_and_stop_only_their_own_sender_and_priority() -> None:
    async with sends(concurrency=16, slow_after=SLOW_AT_ONCE) as world:
        world.begin(4)
        await slow(world, 4)

        assert await world.free() == 16
        assert world.limit.has_too_many_slow(SENDER, Priority.DEFAULT)
        assert not world.limit.has_too_many_slow(SENDER, Priority.CRITICAL)
        assert not world.limit.has_too_many_slow(OTHER, Priority.DEFAULT)


async def test_a_sender_with_a_few_slow_sends_may_go_on_and_so_may_one_whose_slow_sends_have_ended() -> None:
    async with sends(concurrency=16, slow_after=SLOW_AT_ONCE) as world:
        world.begin(4)
        await slow(world, 4)
        await world.end(1)

        assert not world.limit.has_too_many_slow(SENDER, Priority.DEFAULT)


async def test_even_the_smallest_process_bears_one_slow_send_of_a_sender() -> None:
    async with sends(concurrency=1, slow_after=SLOW_AT_ONCE) as world:
        assert not world.limit.has_too_many_slow(SENDER, Priority.DEFAULT)
        world.begin(1)
        await slow(world, 1)

        assert world.limit.has_too_many_slow(SENDER, Priority.DEFAULT)


async def test_slow_sends_beyond_the_concurrency_keep_theirs() -> None:
    async with sends(concurrency=16, slow_after=SLOW_AT_ONCE) as world:
        world.begin(24)
        await slow(world, 24)

        assert await world.free() == 8
        await world.end(24)
        assert await world.free() == 16


async def test_a_send_that_ended_in_time_does_not_become_slow() -> None:
    async with sends(concurrency=4, slow_after=timedelta(milliseconds=20)) as world:
        world.begin(1)
        await world.end(1)
        world.begin(1)
        await slow(world, 1)

        assert len(world.limit._slow) == 1


async def slow(world: Sends, count: int) -> None:
    """Return when so many sends have become slow."""
    async with asyncio.timeout(60):
        while len(world.limit._slow) < count:
            await asyncio.sleep(0.001)
