"""The worker process: starts what runs in it, and ends it without leaving anything half done."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from time import monotonic

from msgspec import Struct

from messaging.application.jobs import JobLane
from messaging.application.outbox.relay import RelayDueWork
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, StoreUnavailable
from messaging.application.ports.wakeups import PATIENCE, QueueUnavailable, WakeupConsumer, WakeupQueue
from messaging.application.ports.workers import Workers
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, RunJobs, Upkeep, queue_name
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.entrypoints.composition.providers import CHANNELS
from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.http_server.listening import listening
from messaging.entrypoints.observability.asgi import AsgiApp
from messaging.entrypoints.worker.duties import Chore, Duties
from messaging.entrypoints.worker.handlers import Handlers, WakeupRunner, pause

log = logging.getLogger(__name__)

# Seconds between two looks for due work: after one that found some, and at most after those that did not. A run of a
# lane goes on until nothing is due; what comes after that is given time to become a batch.
_BUSY, _IDLE = 0.05, 0.1
_AFTER_ERROR = 1.0
_SLOWEST_RECONNECT = 2.0
# A worker that has been silent for four of these counts as gone.
_TELL_EVERY = 5.0

# The part of the grace after which jobs of the outbox are given back that have not ended.
_OF_THE_GRACE = 0.8

# Runs of one queue at a time. A delivery run only claims (the sends go on beside it, under their own bound), so two
# keep a lane busy while one waits for the database. Two batches of webhooks would halve what one could take, and wait
# for each other's messages.
_RUNS_PER_LANE = 2
_RUNS_OF_WEBHOOKS = 1

# How long a wakeup may lie in a queue where nobody is in a hurry; a look costs the same whether there is one or not.
_LEISURELY = {queue_name(job): timedelta(milliseconds=250) for job in (Upkeep(), RunJobs(JobLane.BULK))} | {
    queue_name(DeliverLane(channel, Priority.LOW)): timedelta(milliseconds=100) for channel in Channel
}


class WorkerDependencies(Struct, frozen=True, kw_only=True):
    """What a worker works with, taken out of the object graph. `name` is this worker's."""

    duties: Duties
    workers: Workers
    name: str
    open_uow: OpenSystemUnitOfWork
    queue: WakeupQueue
    consumer: WakeupConsumer
    telemetry: Telemetry
    operations: AsgiApp


class WorkerTerms(Struct, frozen=True, kw_only=True):
    """The work that this process takes, where it tells its health, and how long an orderly end may take (seconds)."""

    channels: tuple[Channel, ...] = CHANNELS
    priorities: tuple[Priority, ...] = tuple(Priority)
    webhooks: bool = True
    host: str = "127.0.0.1"
    port: int = 0
    grace: float = 75.0
    bounds: HttpBounds = HttpBounds()

    def lanes(self) -> list[DeliverLane]:
        return [DeliverLane(channel, priority) for channel in self.channels for priority in self.priorities]


class WorkerProcess:
    """Relay, queue consumers, housekeeping and the health listener, in one event loop."""

    def __init__(self, dependencies: WorkerDependencies, terms: WorkerTerms | None = None) -> None:
        self._has = dependencies
        self._terms = terms or WorkerTerms()
        self._stopping = asyncio.Event()
        handlers = Handlers(dependencies.duties, telemetry=dependencies.telemetry, stopping=self._stopping)
        self._at_once = _at_once(self._terms)
        self._runner = WakeupRunner(handlers, at_once=self._at_once)
        self._relay = RelayDueWork(
            open_uow=dependencies.open_uow,
            queue=dependencies.queue,
            lanes=self._terms.lanes(),
            webhooks=self._terms.webhooks,
            fallback=self._runner.start,
            throttled=dependencies.duties.throttling.throttled,
            telemetry=dependencies.telemetry,
        )

    async def run(self, *, ready: Callable[[int], None] | None = None) -> int:
        """Work until SIGTERM or SIGINT, drain, and return the exit code: 1 if the grace was too short.

        `ready` is told the health listener's port. A second signal ends the process on the spot, as a crash would.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        try:
            async with self._health_listener() as port:
                log.info("listening", extra={"host": self._terms.host, "port": port})
                if ready is not None:
                    ready(port)
                return await self._work_until_stopped()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _health_listener(self) -> AbstractAsyncContextManager[int]:
        has, terms = self._has, self._terms
        return listening(has.operations, host=terms.host, port=terms.port, telemetry=has.telemetry, bounds=terms.bounds)

    def stop(self) -> None:
        """Begins to drain."""
        self._stopping.set()

    def _signalled(self) -> None:
        if self._stopping.is_set():
            # Nothing more is sent: what is in flight is recovered from its lease, as after a kill.
            os._exit(1)
        self._stopping.set()

    async def _work_until_stopped(self) -> int:
        has = self._has
        consumers = [asyncio.create_task(self._consume(queue, at_once)) for queue, at_once in self._at_once.items()]
        relay = asyncio.create_task(self._relay_for_ever())
        chores = [*has.duties.chores, Chore("heartbeat", self._tell, every=_TELL_EVERY)]
        keepers = [asyncio.create_task(self._keep_up(chore)) for chore in chores]
        log.info("worker.started", extra={"queues": list(self._at_once)})
        try:
            await self._stopping.wait()
            log.info("worker.draining")
            await _cancel(consumers)
            return await self._drain()
        finally:
            await _cancel([*consumers, relay, *keepers])
            await has.consumer.close()
            await self._leave()

    async def _tell(self) -> None:
        await self._has.workers.tell(self._has.name, self._terms.lanes(), webhooks=self._terms.webhooks)

    async def _leave(self) -> None:
        try:
            await self._has.workers.leave(self._has.name)
        except StoreUnavailable:
            log.warning("worker.not_taken_off", extra={"store": "postgres"})

    async def _drain(self) -> int:
        """Claims nothing more. Sends that have started end by themselves and record their outcomes."""
        try:
            async with asyncio.timeout(self._terms.grace):
                await asyncio.gather(
                    self._has.duties.deliver.drain(),
                    self._has.duties.run_jobs.drain(within=self._terms.grace * _OF_THE_GRACE),
                    self._runner.idle(),
                )
                # A claim that was being committed when draining began has brought its sends only since.
                await self._has.duties.deliver.drain()
        except TimeoutError:
            log.error("worker.drain_incomplete", extra={"grace_seconds": self._terms.grace})
            return 1
        log.info("worker.drained")
        return 0

    async def _relay_for_ever(self) -> None:
        wait = _IDLE
        while not self._stopping.is_set():
            try:
                found = await self._relay()
            except StoreUnavailable:
                log.warning("relay.store_unavailable", extra={"store": "postgres"})
                wait = _AFTER_ERROR
            except Exception:
                log.exception("relay.failed")
                wait = _AFTER_ERROR
            else:
                if wait == _AFTER_ERROR:
                    log.info("relay.store_back", extra={"store": "postgres", "back": True})
                wait = _BUSY if found else min(wait * 1.5, _IDLE)
            await pause(self._stopping, wait)

    async def _consume(self, queue: str, at_once: int) -> None:
        """Consumes a queue. ARQ's worker ends at the first hiccup of Redis and is started again; meanwhile the relay
        starts the work.
        """
        wait = 0.1
        while not self._stopping.is_set():
            began = monotonic()
            try:
                patience = _LEISURELY.get(queue, PATIENCE)
                await self._has.consumer.consume(queue, self._runner.run_packed, at_once=at_once, patience=patience)
            except QueueUnavailable:
                log.warning("queue.unavailable", extra={"queue": queue, "store": "redis"})
            except Exception:
                log.exception("queue.failed", extra={"queue": queue})
            wait = 0.1 if monotonic() - began > 10 else min(wait * 2, _SLOWEST_RECONNECT)
            await pause(self._stopping, wait)

    async def _keep_up(self, chore: Chore) -> None:
        """Does a chore again and again. An error costs a pause, not the process. Ends by cancellation only."""
        while True:
            try:
                await chore.work()
            except StoreUnavailable:
                log.warning("upkeep.store_unavailable", extra={"work": chore.name, "store": "postgres"})
                await asyncio.sleep(_AFTER_ERROR)
            except Exception:
                log.exception("upkeep.failed", extra={"work": chore.name})
                await asyncio.sleep(60 if chore.every else _AFTER_ERROR)
            else:
                await asyncio.sleep(chore.every)


def _at_once(terms: WorkerTerms) -> dict[str, int]:
    limits = {queue_name(lane): _RUNS_PER_LANE for lane in terms.lanes()}
    if terms.webhooks:
        limits[queue_name(ProcessWebhooks())] = _RUNS_OF_WEBHOOKS
    # One run of a lane of jobs claims for all the jobs that the process runs at once.
    return limits | {queue_name(Upkeep()): 1} | {queue_name(RunJobs(lane)): 1 for lane in JobLane}


async def _cancel(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancels tasks until they have ended: before Python 3.12 `asyncio.wait_for` can lose a cancellation, and libraries
    use it.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=1.0)
    await asyncio.gather(*tasks, return_exceptions=True)
