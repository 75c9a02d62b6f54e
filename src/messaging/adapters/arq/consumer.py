"""Takes wakeups from ARQ's queues, and ends in order when Redis fails, which ends an ARQ worker."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.exceptions import RedisError

from messaging.adapters.arq.wire import EXPIRES_AFTER, FUNCTION, MAX_TRIES, connect, pack, unpack
from messaging.application.ports.wakeups import PATIENCE, QueueUnavailable

log = logging.getLogger(__name__)

# After this time ARQ gives up a job: the wakeup of a killed worker may then be run by another worker. The work itself
# is never cancelled by this limit.
_JOB_TIMEOUT = timedelta(seconds=60)
# Seconds for leaving a queue: first by itself, then by cancellation (_SIGNING_OFF each), and all queues together when
# the process ends (_CLOSING).
_SIGNING_OFF = 1.5
_CANCELLING = 0.2
_CLOSING = 2.0


class ArqWakeupConsumer:
    """One ARQ worker per call of `consume`, with a connection pool of its own, all in this event loop.

    It polls each queue at the interval `patience`. A poll takes 0.1 ms of processor time, with or without a job.
    """

    def __init__(self, *, url: str) -> None:
        self._url = url
        self._retiring: set[asyncio.Task[None]] = set()

    async def consume(
        self, queue: str, run: Callable[[bytes], Awaitable[None]], *, at_once: int, patience: timedelta = PATIENCE
    ) -> None:
        redis = connect(self._url)
        worker = self._worker(redis, queue, run, at_once, patience)
        polling = asyncio.create_task(worker.main())
        try:
            await asyncio.wait({polling})
            polling.result()
        except (RedisError, OSError) as error:
            raise QueueUnavailable from error
        finally:
            worker.allow_pick_jobs = False
            task = asyncio.create_task(_retire(worker, polling, redis))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        if self._retiring:
            _, late = await asyncio.wait(self._retiring, timeout=_CLOSING)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _worker(
        self,
        redis: ArqRedis,
        queue: str,
        run: Callable[[bytes], Awaitable[None]],
        at_once: int,
        patience: timedelta,
    ) -> Worker:
        async def call(ctx: dict[Any, Any], payload: bytes) -> None:
            await run(payload)

        return Worker(
            functions=[func(call, name=FUNCTION)],
            queue_name=queue,
            redis_pool=redis,
            # The process handles signals itself; ARQ's handlers would cancel running jobs.
            handle_signals=False,
            max_jobs=at_once,
            poll_delay=patience.total_seconds(),
            job_timeout=_JOB_TIMEOUT,
            # Nobody reads results; a kept one would block its job's id and double the number of keys.
            keep_result=0,
            max_tries=MAX_TRIES,
            health_check_interval=10,
            job_serializer=pack,
            job_deserializer=unpack,
            expires_extra_ms=int(EXPIRES_AFTER.total_seconds() * 1000),
            log_results=False,
        )


async def _retire(worker: Worker, polling: "asyncio.Task[None]", redis: ArqRedis) -> None:
    """Wait until running jobs have recorded their end in Redis, then close the connections."""
    # A burst of no jobs makes an ARQ worker end by itself. Cancelling it in the middle of a command would break the
    # connection, and redis-py does not reliably recover from that.
    worker.burst, worker.max_burst_jobs = True, 0
    try:
        await asyncio.wait({polling}, timeout=_SIGNING_OFF)
        while not polling.done():
            # Cancelled more than once: with a socket timeout redis-py writes under `asyncio.wait_for`, which before
            # Python 3.12 loses a cancellation that arrives together with the result.
            polling.cancel()
            await asyncio.wait({polling}, timeout=_CANCELLING)
        results = await asyncio.gather(polling, *worker.tasks.values(), return_exceptions=True)
        failed = [result for result in results if isinstance(result, Exception)]
        if failed:
            log.info("arq.sign_off_failed", extra={"tasks": len(failed), "error": type(failed[0]).__name__})
    finally:
        await redis.aclose()
