"""What a worker process works on, in memory: an outbox that says what is due, and use cases that take it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from math import inf
from typing import cast
from uuid import UUID

from messaging.adapters.arq.consumer import ArqWakeupConsumer
from messaging.adapters.arq.queue import ArqWakeupQueue
from messaging.adapters.arq.wire import connect
from messaging.application.jobs import JobLane
from messaging.application.ports.unit_of_work import StoreUnavailable, SystemUnitOfWork
from messaging.application.ports.workers import SeenWorker
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import DispatchKind
from messaging.entrypoints.observability.asgi import Receive, Scope, Send
from messaging.entrypoints.worker.app import WorkerDependencies, WorkerProcess, WorkerTerms
from messaging.entrypoints.worker.duties import Chore, Duties
from tests.unit.application.webhooks.doubles import Counts

OTP = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)
BULK = DeliverLane(Channel.WHATSAPP, Priority.LOW)


class Work:
    """Units due per lane or kind; every use case takes one batch of up to ten. Doubles as unit of work and upkeep."""

    def __init__(self) -> None:
        self.due: Counter[DeliverLane | DispatchKind | JobLane] = Counter()
        self.done: Counter[DeliverLane | DispatchKind | JobLane] = Counter()
        self.error: Exception | None = None
        self.failures = 0
        self.upkeep: Counter[str] = Counter()
        self.told: dict[str, tuple[frozenset[DeliverLane], bool]] = {}
        self.sending: set[asyncio.Task[None]] = set()
        self.let_sends_end = asyncio.Event()
        self.let_sends_end.set()
        self.draining = asyncio.Event()
        self.dispatches = self.due_jobs = self

    @asynccontextmanager
    async def open_uow(self) -> AsyncIterator[SystemUnitOfWork]:
        yield cast(SystemUnitOfWork, self)

    async def lanes_with_work(
        self, kinds: Sequence[DispatchKind], *, throttled: Collection[tuple[DeliverLane, UUID]]
    ) -> Sequence[DispatchKind | DeliverLane]:
        found = [item for item, count in self.due.items() if count and not isinstance(item, JobLane)]
        return [item for item in found if isinstance(item, DeliverLane) or item in kinds]

    async def lanes_due(self, lanes: Collection[JobLane]) -> AbstractSet[JobLane]:
        return {lane for lane in lanes if self.due[lane]}

    async def take(self, item: DeliverLane | DispatchKind | JobLane) -> int:
        if self.error is not None:
            self.failures += 1
            raise self.error
        batch = min(10, self.due[item])
        self.due[item] -= batch
        self.done[item] += batch
        return batch

    async def __call__(self, lane: DeliverLane) -> int:
        batch = 0 if self.draining.is_set() else await self.take(lane)
        if batch:
            task = asyncio.create_task(self._send())
            self.sending.add(task)
        return batch

    async def _send(self) -> None:
        await self.let_sends_end.wait()

    def throttled(self) -> Collection[tuple[DeliverLane, UUID]]:
        return ()

    def throttled_for(self, lane: DeliverLane) -> float:
        return inf

    async def drain(self) -> None:
        self.draining.set()
        while running := [task for task in self.sending if not task.done()]:
            await asyncio.wait(running)

    async def ensure_partitions(self) -> None:
        self.upkeep["partitions"] += 1
        if self.upkeep["partitions"] == 1:
            raise StoreUnavailable

    def chore(self, name: str) -> Chore:
        async def work() -> None:
            self.upkeep[name] += 1

        return Chore(name, work, every=3600.0)

    async def tell(self, name: str, lanes: Collection[DeliverLane], *, webhooks: bool) -> None:
        self.told[name] = (frozenset(lanes), webhooks)

    async def leave(self, name: str) -> None:
        self.told.pop(name, None)

    async def seen(self) -> Sequence[SeenWorker]:
        raise AssertionError("a worker does not ask who else is there")

    async def watch_snapshots(self) -> None:
        self.upkeep["snapshots"] += 1
        await asyncio.Event().wait()


class JobsOf:
    """Jobs of the work's lanes; `drained` when the worker has stopped them."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def __call__(self, lane: JobLane, /) -> int:
        return await self._work.take(lane)

    async def drain(self, *, within: float) -> None:
        self._work.upkeep["drained jobs"] += 1


async def healthy(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def worker_process(
    work: Work, redis_url: str, terms: WorkerTerms | None = None, counts: Counts | None = None
) -> AsyncIterator[WorkerProcess]:
    """A worker on a real Redis; the block runs it."""
    async with connect(redis_url) as redis:
        yield WorkerProcess(
            WorkerDependencies(
                duties=Duties(
                    deliver=work,
                    throttling=work,
                    process_webhooks=lambda: work.take(DispatchKind.PROCESS_WEBHOOK),
                    rematch=lambda: work.take(DispatchKind.REMATCH),
                    upkeep=(
                        lambda: work.take(DispatchKind.RESOLVE_UNKNOWN),
                        lambda: work.take(DispatchKind.POLL_STATUS),
                    ),
                    run_jobs=JobsOf(work),
                    chores=(
                        Chore("partitions", work.ensure_partitions, every=3600.0),
                        Chore("snapshots", work.watch_snapshots, every=0.0),
                        work.chore("retention"),
                        work.chore("inbound"),
                    ),
                ),
                workers=work,
                name="worker-1",
                open_uow=work.open_uow,
                queue=ArqWakeupQueue(redis=redis),
                consumer=ArqWakeupConsumer(url=redis_url),
                telemetry=counts or Counts(),
                operations=healthy,
            ),
            terms,
        )
