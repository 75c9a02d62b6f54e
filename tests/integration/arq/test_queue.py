"""Do wakeups travel through a real Redis and ARQ's own worker, and are they as disposable as they should be?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from redis.asyncio import Redis

from messaging.adapters.arq.consumer import ArqWakeupConsumer
from messaging.adapters.arq.queue import ArqWakeupQueue
from messaging.adapters.arq.wire import connect
from messaging.application.ports.wakeups import QueueUnavailable
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, Wakeup, decode, queue_name
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis

OTP = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)
BULK = DeliverLane(Channel.WHATSAPP, Priority.LOW)


class Inbox:
    """What a worker was given, and a way to hold it while it works."""

    def __init__(self) -> None:
        self.jobs: list[Wakeup] = []
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()

    async def run(self, payload: bytes) -> None:
        self.jobs.append(decode(payload))
        self.arrived.set()
        await self.release.wait()

    async def next(self) -> None:
        async with asyncio.timeout(60):
            await self.arrived.wait()
        self.arrived.clear()


@asynccontextmanager
async def consuming(
    url: str, job: Wakeup, run: Callable[[bytes], Awaitable[None]], *, at_once: int = 2
) -> AsyncIterator["asyncio.Task[None]"]:
    consumer = ArqWakeupConsumer(url=url)
    task = asyncio.create_task(consumer.consume(queue_name(job), run, at_once=at_once))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, QueueUnavailable):
            await task
        await consumer.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with connect(redis_url) as client:
        yield client


async def waiting(redis: Redis, job: Wakeup) -> int:
    return int(await redis.zcard(queue_name(job)))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_a_hint_reaches_a_worker_of_its_queue_and_leaves_nothing_behind(redis: Redis, redis_url: str) -> None:
    webhooks, others = Inbox(), Inbox()
    async with consuming(redis_url, OTP, webhooks.run), consuming(redis_url, BULK, others.run):
        await ArqWakeupQueue(redis=redis).wakeup([OTP])
        await webhooks.next()
        await until(lambda: _is_empty(redis, OTP))

    assert webhooks.jobs == [OTP]
    assert others.jobs == []
    assert [key for key in await redis.keys("*") if not key.endswith(b":health-check")] == []


async def _is_empty(redis: Redis, job: Wakeup) -> bool:
    return await waiting(redis, job) == 0


async def test_hints_of_a_pass_go_to_their_queues_in_one_call(redis: Redis) -> None:
    await ArqWakeupQueue(redis=redis).wakeup([OTP, BULK, ProcessWebhooks()])

    assert [await waiting(redis, job) for job in (OTP, BULK, ProcessWebhooks())] == [1, 1, 1]


async def test_no_more_hints_wait_than_the_workers_can_use(redis: Redis) -> None:
    queue = ArqWakeupQueue(redis=redis, waiting=3)

    for _ in range(10):
        await queue.wakeup([OTP])

    assert await waiting(redis, OTP) == 3


async def test_hints_being_worked_on_do_not_keep_new_ones_out(redis: Redis, redis_url: str) -> None:
    queue, webhooks = ArqWakeupQueue(redis=redis, waiting=1), Inbox()
    webhooks.release.clear()
    async with consuming(redis_url, OTP, webhooks.run, at_once=1):
        await queue.wakeup([OTP])
        await webhooks.next()

        await queue.wakeup([OTP])
        await queue.wakeup([OTP])

        assert await waiting(redis, OTP) == 2
        webhooks.release.set()


async def test_hints_of_lost_workers_pile_up_only_so_far(redis: Redis) -> None:
    queue = ArqWakeupQueue(redis=redis)
    for _ in range(200):
        await queue.wakeup([OTP])
        for job_id in await redis.zrange(queue_name(OTP), 0, -1):
            await redis.set(b"arq:in-progress:" + job_id, b"1")

    assert await waiting(redis, OTP) == 64


async def test_a_flushed_redis_only_costs_the_hints_in_it(redis: Redis, redis_url: str) -> None:
    queue, webhooks = ArqWakeupQueue(redis=redis), Inbox()
    async with consuming(redis_url, OTP, webhooks.run):
        await redis.flushall()
        # The script is forgotten too.
        await redis.script_flush()
        await queue.wakeup([OTP])
        await webhooks.next()

    assert webhooks.jobs == [OTP]


async def test_bytes_that_are_no_job_do_not_stop_the_worker(redis: Redis, redis_url: str) -> None:
    webhooks = Inbox()
    await redis.set("arq:job:rotten", b"\xff\x00 not msgpack")
    await redis.zadd(queue_name(OTP), {"rotten": 1, "vanished": 1})
    async with consuming(redis_url, OTP, webhooks.run):
        await ArqWakeupQueue(redis=redis).wakeup([OTP])
        await webhooks.next()
        await until(lambda: _is_empty(redis, OTP))

    assert webhooks.jobs == [OTP]


async def test_a_redis_that_goes_away_is_reported_at_both_ends() -> None:
    async with EmbeddedRedis() as server, connect(server.url) as redis:
        queue, webhooks = ArqWakeupQueue(redis=redis), Inbox()
        async with consuming(server.url, OTP, webhooks.run) as consuming_task:
            await queue.wakeup([OTP])
            await webhooks.next()
            await server.kill()

            with pytest.raises(QueueUnavailable):
                await queue.wakeup([OTP])
            with pytest.raises(QueueUnavailable):
                async with asyncio.timeout(60):
                    await consuming_task


async def test_a_full_redis_counts_as_away(redis: Redis) -> None:
    queue = ArqWakeupQueue(redis=redis)
    await redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(QueueUnavailable):
            await queue.wakeup([OTP])
    finally:
        await redis.config_set("maxmemory", "0")
