"""The fake and ARQ's queues in Redis take wakeups alike."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import pytest

from messaging.adapters.arq.queue import ArqWakeupQueue
from messaging.adapters.arq.wire import connect
from messaging.application.ports.wakeups import QueueUnavailable, WakeupQueue
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, Wakeup, queue_name
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from tests.fakes.wakeups import InMemoryWakeupQueue

OTP = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)
BULK = DeliverLane(Channel.WHATSAPP, Priority.LOW)
MOST = 3


class Woken(NamedTuple):
    """A queue of up to `MOST` wakeups; `away` is one that cannot be reached."""

    queue: WakeupQueue
    away: WakeupQueue
    waiting: Callable[[Wakeup], Awaitable[int]]


@pytest.fixture(params=["in_memory", "arq"])
async def woken(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Woken]:
    if request.param == "in_memory":
        fake, away = InMemoryWakeupQueue(waiting=MOST), InMemoryWakeupQueue()
        away.away = True

        async def kept(job: Wakeup) -> int:
            return len(fake.queues[queue_name(job)])

        yield Woken(fake, away, kept)
        return
    async with connect(redis_url) as redis, connect("redis://127.0.0.1:1") as nobody:

        async def waiting(job: Wakeup) -> int:
            return int(await redis.zcard(queue_name(job)))

        yield Woken(ArqWakeupQueue(redis=redis, waiting=MOST), ArqWakeupQueue(redis=nobody), waiting)


async def test_wakeups_of_one_call_go_to_their_queues(woken: Woken) -> None:
    await woken.queue.wakeup([OTP, BULK, ProcessWebhooks()])

    assert [await woken.waiting(job) for job in (OTP, BULK, ProcessWebhooks())] == [1, 1, 1]


async def test_no_more_wakeups_wait_than_the_workers_of_a_queue_can_use(woken: Woken) -> None:
    for _ in range(MOST + 2):
        await woken.queue.wakeup([OTP])
    await woken.queue.wakeup([BULK])

    assert [await woken.waiting(job) for job in (OTP, BULK)] == [MOST, 1]


async def test_nobody_to_wake_is_fine_even_while_the_queue_is_away(woken: Woken) -> None:
    await woken.queue.wakeup([])
    await woken.away.wakeup([])

    assert await woken.waiting(OTP) == 0


async def test_a_queue_that_cannot_be_reached_is_reported(woken: Woken) -> None:
    with pytest.raises(QueueUnavailable):
        await woken.away.wakeup([OTP])
