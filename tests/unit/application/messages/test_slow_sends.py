"""Do slow sends leave the others their places?"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from messaging.application.messages.pacing.concurrency_limit import ConcurrencyLimit
from messaging.application.messages.pacing.slow_sends import SlowSends
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import SenderId
from tests.builders import SENDER

OTHER = SenderId(UUID("019df2d9-4c00-7000-8000-000000000022"))


class Process:
    """Sixteen places, and sends that hang until the test lets them end."""

    def __init__(self, *, slow_after: timedelta) -> None:
        self.concurrency = ConcurrencyLimit(concurrency=16, batch=100)
        self.slow = SlowSends(concurrency=16, give_back=self.concurrency.give_back, slow_after=slow_after)
        self._let_end = asyncio.Event()

    async def sends(self, count: int) -> None:
        """`count` sends begin, and some time passes."""
        for _ in range(count):
            task = asyncio.create_task(self._hang())
            self.concurrency.take(task, Priority.DEFAULT)
            self.slow.watch(task, SENDER, Priority.DEFAULT)
        await asyncio.sleep(0.01)

    async def _hang(self) -> None:
        await self._let_end.wait()

    async def end(self) -> None:
        self._let_end.set()
        await self.concurrency.wait_for_all()

    async def free(self) -> int:
        async with self.concurrency.reserved(Priority.CRITICAL) as concurrency:
            return concurrency


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    """Where every send is slow."""
    process = Process(slow_after=timedelta(0))
    yield process
    await process.end()


async def test_sends_that_move_keep_their_places() -> None:
    process = Process(slow_after=timedelta(hours=1))
    await process.sends(12)

    assert await process.free() == 4
    assert not process.slow.are_too_many(SENDER, Priority.DEFAULT)
    await process.end()


async def test_slow_sends_give_their_places_back_and_stop_their_own_kind_only(process: Process) -> None:
    await process.sends(16)

    assert await process.free() == 16
    assert process.slow.are_too_many(SENDER, Priority.DEFAULT)
    assert not process.slow.are_too_many(SENDER, Priority.CRITICAL)
    assert not process.slow.are_too_many(OTHER, Priority.DEFAULT)


async def test_a_few_slow_sends_stop_nobody(process: Process) -> None:
    await process.sends(3)

    assert not process.slow.are_too_many(SENDER, Priority.DEFAULT)


async def test_beyond_as_many_as_there_are_places_slow_sends_keep_theirs(process: Process) -> None:
    await process.sends(24)

    assert await process.free() == 8


async def test_a_drain_waits_for_the_slow_ones_too(process: Process) -> None:
    await process.sends(16)
    under_way = process.concurrency.taken

    await process.end()

    assert (under_way, process.concurrency.taken) == (16, 0)
    assert not process.slow.are_too_many(SENDER, Priority.DEFAULT)
