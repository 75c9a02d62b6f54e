"""Group commit: concurrent calls are written as one batch; an idle gatherer writes at once.

A lone call never waits. While a batch is being written, new calls collect and are written together, so the batch size
follows the load. If a batch fails, its members are tried one by one, so that an error reaches only the call that
caused it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")

# A call takes two turns of the event loop from the arrival of its bytes to joining a batch: one to be read, one to run.
_TURNS_ALONE: Final = 2


class Overloaded(Exception):
    """The queue in front of the gatherer is full; the caller should retry later."""


class Gatherer(Generic[A, R]):
    """`write(batch)` must return one result per member, in order, and commit before it returns.

    At most `writers` batches are written at once; `capacity` bounds the calls that wait for a batch. `pause` is how
    many seconds a writer collects calls after a batch before it writes the next, for calls that are in no hurry: the
    first call after such a pause is written at once. `linger` is how many seconds a batch stays open for others to join
    it, if other calls are under way: a lone call is written at once.
    """

    def __init__(
        self,
        write: Callable[[Sequence[A]], Awaitable[Sequence[R]]],
        *,
        max_batch: int = 200,
        capacity: int = 10_000,
        writers: int = 2,
        pause: float = 0.0,
        linger: float = 0.0,
    ) -> None:
        self._write = write
        self._max_batch = max_batch
        self._capacity = capacity
        self._idle_writers = writers
        self._pause = pause
        self._linger = linger
        self._opened_at = 0.0
        self._joining = False
        self._writing = 0
        self._filled = asyncio.Event()
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, item: A) -> R:
        """Raises Overloaded at once when `capacity` calls are waiting already."""
        if len(self._waiting) >= self._capacity:
            raise Overloaded
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        if not self._waiting:
            self._opened_at = loop.time()
        self._waiting.append((item, future))
        if len(self._waiting) >= self._max_batch:
            self._filled.set()
        self._wake_a_writer()
        # A caller that is cancelled loses only its own answer: the batch is still written, by the writer's task.
        return await future

    def _wake_a_writer(self) -> None:
        # While a writer keeps its batch open, every call joins that batch.
        if self._idle_writers and not self._joining:
            self._idle_writers -= 1
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        try:
            # Let every task that is ready now join before the first batch closes.
            await asyncio.sleep(0)
            while self._waiting and not self._joining:
                if self._linger:
                    await self._join()
                batch, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
                if self._waiting:
                    self._wake_a_writer()
                self._writing += 1
                try:
                    await self._flush(batch)
                finally:
                    self._writing -= 1
                if self._pause and len(self._waiting) < self._max_batch:
                    await asyncio.sleep(self._pause)
        finally:
            self._idle_writers += 1

    async def _join(self) -> None:
        """Wait for others to join the batch: most of a batch's cost does not depend on its size.

        While another batch is being written, other calls are likely, and this one stays open for the whole `linger`,
        counted from its first member's arrival. Otherwise it stays open only as long as every turn of the event loop
        brings another call.
        """
        self._joining = True
        try:
            async with asyncio.timeout_at(self._opened_at + self._linger):
                if self._writing:
                    await self._full()
                else:
                    await self._nobody_joins()
        except TimeoutError:
            pass
        finally:
            self._joining = False

    async def _full(self) -> None:
        if len(self._waiting) < self._max_batch:
            self._filled.clear()
            await self._filled.wait()

    async def _nobody_joins(self) -> None:
        joined, turns_alone = len(self._waiting), 0
        while turns_alone < _TURNS_ALONE and len(self._waiting) < self._max_batch:
            await asyncio.sleep(0)
            turns_alone = turns_alone + 1 if len(self._waiting) == joined else 0
            joined = len(self._waiting)

    async def _flush(self, batch: list[tuple[A, asyncio.Future[R]]]) -> None:
        try:
            results = await self._write([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is handed to the members
            await self._one_by_one(batch, error)
            return
        if len(results) != len(batch):
            # The batch was written, but its results cannot be assigned to its members; trying again could write twice.
            for _, future in batch:
                _fail(future, RuntimeError(f"{len(results)} results came back for a batch of {len(batch)}."))
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _one_by_one(self, batch: list[tuple[A, asyncio.Future[R]]], error: Exception) -> None:
        if len(batch) == 1:
            _fail(batch[0][1], error)
            return
        for item, future in batch:
            try:
                results = await self._write([item])
            except Exception as own:  # noqa: BLE001 - handed to the one caller it belongs to
                _fail(future, own)
            else:
                if not future.done():
                    future.set_result(results[0])


def _fail(future: "asyncio.Future[R]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        # A cancelled caller will not fetch the exception; without this call asyncio would report it as never retrieved.
        future.exception()
