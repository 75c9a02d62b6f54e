"""Does a worker take its work through a real Redis, live through Redis's troubles, and end in order?"""

import asyncio
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from messaging.adapters.arq.wire import connect
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, queue_name
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import DispatchKind
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis
from messaging.entrypoints.sockets.listening import CannotListen
from messaging.entrypoints.worker.app import WorkerTerms
from tests.integration.worker.doubles import BULK, OTP, Work, worker_process
from tests.unit.application.webhooks.doubles import Counts

ROOT = Path(__file__).parents[3]


@pytest.fixture
def work() -> Work:
    return Work()


@asynccontextmanager
async def running(
    work: Work, redis_url: str, terms: WorkerTerms | None = None, counts: Counts | None = None
) -> AsyncIterator["asyncio.Task[int]"]:
    async with worker_process(work, redis_url, terms, counts) as worker:
        task = asyncio.create_task(worker.run())
        try:
            yield task
        finally:
            worker.stop()
            work.let_sends_end.set()
            async with asyncio.timeout(60):
                await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_is_due_reaches_the_use_case_it_is_for(work: Work, redis_url: str) -> None:
    everything: Counter[DeliverLane | DispatchKind] = Counter(
        {OTP: 35, BULK: 12, DispatchKind.PROCESS_WEBHOOK: 25, DispatchKind.REMATCH: 5, DispatchKind.RESOLVE_UNKNOWN: 3}
    )
    work.due.update(everything)
    async with running(work, redis_url):
        await until(lambda: work.done == everything)


async def test_a_worker_for_one_lane_leaves_the_others_alone(work: Work, redis_url: str) -> None:
    work.due.update({OTP: 5, BULK: 5, DispatchKind.PROCESS_WEBHOOK: 5})
    async with running(work, redis_url, WorkerTerms(priorities=(Priority.CRITICAL,), webhooks=False)):
        await until(lambda: work.done[OTP] == 5)
        work.due[OTP] = 5
        await until(lambda: work.done[OTP] == 10)

    assert work.done == Counter({OTP: 10})


async def test_corrupt_hints_are_noted_and_forgotten(
    work: Work, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue = queue_name(ProcessWebhooks())
    async with connect(redis_url) as redis:
        await redis.enqueue_job("run", b"\xc1 not a job", _queue_name=queue)
        await redis.enqueue_job("another_function", b"", _queue_name=queue)
        async with running(work, redis_url):
            work.due[DispatchKind.PROCESS_WEBHOOK] = 1
            await until(lambda: work.done[DispatchKind.PROCESS_WEBHOOK] == 1)
            await until(lambda: "wakeup.corrupt" in caplog.messages)
            async with asyncio.timeout(60):
                while await redis.zcard(queue):
                    await asyncio.sleep(0.01)


async def test_a_flushed_redis_only_delays(work: Work, redis_url: str) -> None:
    async with running(work, redis_url), connect(redis_url) as redis:
        for _ in range(20):
            work.due.update({OTP: 20, DispatchKind.PROCESS_WEBHOOK: 20})
            await redis.flushall()
            await asyncio.sleep(0.02)
        await until(lambda: work.done == Counter({OTP: 400, DispatchKind.PROCESS_WEBHOOK: 400}))


async def test_without_redis_the_work_goes_on_and_with_it_again_too(work: Work) -> None:
    counts = Counts()
    async with EmbeddedRedis() as server, running(work, server.url, counts=counts):
        work.due[OTP] = 10
        await until(lambda: work.done[OTP] == 10)

        await server.kill()
        work.due.update({OTP: 50, BULK: 50})
        await until(lambda: work.done == Counter({OTP: 60, BULK: 50}))
        assert counts.seen["relay_fallbacks{}"] > 0

        await server.start()
        async with connect(server.url) as redis:
            before = await _commands(redis)
            work.due[OTP] = 40
            await until(lambda: work.done[OTP] == 100)
            # Consumers have come back by themselves: somebody polls.
            async with asyncio.timeout(60):
                while await _commands(redis) <= before:
                    await asyncio.sleep(0.05)


async def _commands(redis: object) -> int:
    stats = await redis.info("commandstats")  # type: ignore[attr-defined]  # redis-py does not type its commands well
    return int(stats.get("cmdstat_zrangebyscore", {}).get("calls", 0))


async def test_an_outage_of_the_store_pauses_the_work_and_ends_nothing(work: Work, redis_url: str) -> None:
    counts = Counts()
    work.error = StoreUnavailable("away")
    work.due[OTP] = 10
    async with running(work, redis_url, counts=counts):
        await until(lambda: work.failures >= 3)
        work.error = None
        await until(lambda: work.done[OTP] == 10)

    assert counts.seen[f"wakeups_failed{{queue={queue_name(OTP)}}}"] == work.failures


async def test_a_bug_in_a_use_case_is_logged_and_does_not_spin(
    work: Work, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    work.error = RuntimeError("bug")
    work.due[DispatchKind.RESOLVE_UNKNOWN] = 1
    work.due[OTP] = 1
    async with running(work, redis_url):
        await until(lambda: work.failures >= 2)
        failures = work.failures
        await asyncio.sleep(0.5)
        assert work.failures - failures < 15

    assert "wakeup.failed" in caplog.messages


async def test_housekeeping_runs_from_the_start_and_again_after_an_error(work: Work, redis_url: str) -> None:
    async with running(work, redis_url):
        await until(lambda: work.upkeep["partitions"] >= 2)

    assert work.upkeep["inbound"] == 1
    assert work.upkeep["retention"] == 1
    assert work.upkeep["snapshots"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_sends_end_by_themselves_and_the_exit_is_clean(
    work: Work, redis_url: str, number: signal.Signals
) -> None:
    work.let_sends_end.clear()
    work.due[OTP] = 25
    async with running(work, redis_url) as process:
        await until(lambda: work.done[OTP] == 25)

        os.kill(os.getpid(), number)
        await work.draining.wait()
        work.due[OTP] = 10
        await asyncio.sleep(0.2)
        assert not process.done()
        assert work.done[OTP] == 25

        work.let_sends_end.set()
        async with asyncio.timeout(60):
            assert await process == 0

    assert all(task.done() and not task.cancelled() for task in work.sending)


async def test_an_end_that_takes_longer_than_its_grace_says_so(
    work: Work, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    work.let_sends_end.clear()
    work.due[OTP] = 1
    async with running(work, redis_url, WorkerTerms(grace=0.3)) as process:
        await until(lambda: bool(work.sending))
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process == 1

    assert ("worker.drain_incomplete", logging.ERROR) in {(line.message, line.levelno) for line in caplog.records}


async def test_a_second_signal_ends_the_process_on_the_spot(redis_url: str) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.worker.stubborn",
        redis_url,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            await _read_until(child.stdout, b"sending")
            child.terminate()
            await _read_until(child.stdout, b"draining")
            child.terminate()
            assert await child.wait() == 1
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def _read_until(stream: asyncio.StreamReader, word: bytes) -> None:
    while (line := await stream.readline()).strip() != word:
        assert line


async def test_the_worker_tells_its_health(work: Work, redis_url: str) -> None:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with worker_process(work, redis_url) as worker:
        task = asyncio.create_task(worker.run(ready=port.set_result))
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{await port}/healthz")
        worker.stop()
        assert await task == 0

    assert (answer.status_code, answer.text) == (200, "ok")


async def test_an_address_that_is_taken_is_an_error_before_any_work(work: Work, redis_url: str) -> None:
    work.due[OTP] = 1
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with worker_process(Work(), redis_url) as first:
        task = asyncio.create_task(first.run(ready=port.set_result))
        async with worker_process(work, redis_url, WorkerTerms(port=await port)) as second:
            with pytest.raises(CannotListen, match="another process listens there"):
                await second.run()
        first.stop()
        assert await task == 0

    assert work.done[OTP] == 0


async def test_a_worker_tells_which_lanes_it_takes_and_leaves_when_it_ends(work: Work, redis_url: str) -> None:
    terms = WorkerTerms(channels=(Channel.WHATSAPP,), priorities=(Priority.CRITICAL,), webhooks=False)

    async with worker_process(work, redis_url, terms) as process:
        running = asyncio.create_task(process.run())
        await until(lambda: bool(work.told))
        told = dict(work.told)
        process.stop()
        await running

    assert told == {"worker-1": (frozenset({OTP}), False)}
    assert work.told == {}
