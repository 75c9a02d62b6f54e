"""Do concurrent calls become one batch, and does each get its own answer whatever happens to its neighbours?"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from messaging.application.gather import Gatherer, Overloaded

# Seconds: far longer than any of these tests takes.
LONG = 60.0


class Ledger:
    """A writer that records its batches; `open` holds every batch back until it is set."""

    def __init__(self, *refuse: int, open_: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.written: list[int] = []
        self.refuse = refuse
        self.open = asyncio.Event()
        if open_:
            self.open.set()

    async def __call__(self, batch: Sequence[int]) -> Sequence[str]:
        self.batches.append(list(batch))
        await self.open.wait()
        for item in batch:
            if item in self.refuse:
                raise LookupError(f"item {item}")
        self.written += batch
        return [f"#{item}" for item in batch]


async def ready(*calls: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Start the calls and let the loop turn until nothing more can happen without the ledger's leave."""
    tasks = [asyncio.create_task(call) for call in calls]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_a_lone_call_is_written_at_once() -> None:
    ledger = Ledger()
    gather = Gatherer(ledger)

    (task,) = await ready(gather(1))

    assert task.done()
    assert task.result() == "#1"
    assert ledger.batches == [[1]]


async def test_calls_that_are_ready_together_become_one_batch_and_each_gets_its_own_result() -> None:
    ledger = Ledger()
    gather = Gatherer(ledger)

    results = await asyncio.gather(*(gather(item) for item in range(50)))

    assert ledger.batches == [list(range(50))]
    assert results == [f"#{item}" for item in range(50)]


async def test_newcomers_collect_while_a_batch_is_being_written() -> None:
    ledger = Ledger(open_=False)
    gather = Gatherer(ledger, writers=1)
    first = await ready(gather(1))

    rest = await ready(gather(2), gather(3), gather(4))
    ledger.open.set()

    assert await asyncio.gather(*first, *rest) == ["#1", "#2", "#3", "#4"]
    assert ledger.batches == [[1], [2, 3, 4]]


async def test_a_second_writer_does_not_wait_for_the_first() -> None:
    ledger = Ledger(open_=False)
    gather = Gatherer(ledger, writers=2)

    tasks = [*await ready(gather(1)), *await ready(gather(2)), *await ready(gather(3))]

    assert ledger.batches == [[1], [2]]
    ledger.open.set()
    assert await asyncio.gather(*tasks) == ["#1", "#2", "#3"]


async def test_with_a_pause_a_lone_call_is_written_at_once_and_those_after_it_are_collected() -> None:
    ledger = Ledger()
    gather = Gatherer(ledger, writers=1, pause=0.05)

    first = await gather(1)
    rest = [await ready(gather(item)) for item in (2, 3, 4)]

    assert first == "#1"
    assert ledger.batches == [[1]]
    assert await asyncio.gather(*(task for tasks in rest for task in tasks)) == ["#2", "#3", "#4"]
    assert ledger.batches == [[1], [2, 3, 4]]


async def test_a_full_batch_does_not_wait_for_the_pause_to_end() -> None:
    ledger = Ledger()
    gather = Gatherer(ledger, max_batch=2, writers=1, pause=3600)

    async with asyncio.timeout(60):
        await asyncio.gather(*(gather(item) for item in range(4)))

    assert ledger.batches == [[0, 1], [2, 3]]


async def test_a_batch_that_lingers_takes_in_those_who_come_turn_by_turn() -> None:
    ledger = Ledger()
    gather = Gatherer(ledger, linger=LONG)

    tasks = []
    for item in range(20):
        tasks.append(asyncio.create_task(gather(item)))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    assert ledger.batches == [list(range(20))]


async def test_a_lone_call_is_not_lingered_for() -> None:
    ledger = Ledger()
    gather = Gatherer(ledger, linger=LONG)

    async with asyncio.timeout(LONG / 2):
        assert await gather(1) == "#1"
        assert await gather(2) == "#2"

    assert ledger.batches == [[1], [2]]


async def test_a_stream_of_calls_does_not_keep_a_batch_open_for_ever() -> None:
    ledger = Ledger()
    gather = Gatherer(ledger, linger=0.001)

    tasks: list[asyncio.Task[str]] = []
    while not ledger.batches:
        tasks.append(asyncio.create_task(gather(len(tasks))))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    assert len(ledger.written) == len(tasks)


async def test_a_lingering_batch_closes_when_it_is_full() -> None:
    ledger = Ledger()
    gather = Gatherer(ledger, linger=LONG, max_batch=3, writers=1)

    await asyncio.gather(*(gather(item) for item in range(7)))

    assert ledger.batches == [[0, 1, 2], [3, 4, 5], [6]]


async def test_beside_a_batch_under_way_the_next_stays_open_until_it_is_full() -> None:
    ledger = Ledger(open_=False)
    gather = Gatherer(ledger, linger=LONG, max_batch=2)

    tasks = await ready(gather(1), gather(2), gather(3))
    await ready()
    assert ledger.batches == [[1, 2]]
    tasks += await ready(gather(4))

    assert ledger.batches == [[1, 2], [3, 4]]
    ledger.open.set()
    await asyncio.gather(*tasks)


async def test_what_a_full_batch_leaves_over_is_written_by_another_writer_at_once() -> None:
    """Nobody is woken while a batch is kept open, so whoever closes it wakes a writer for those behind it."""
    ledger = Ledger(open_=False)
    gather = Gatherer(ledger, linger=LONG, max_batch=2, writers=3)

    tasks = await ready(gather(1), gather(2), gather(3))
    await ready()
    tasks += await ready(gather(4), gather(5), gather(6))

    assert ledger.batches == [[1, 2], [3, 4], [5, 6]]
    ledger.open.set()
    await asyncio.gather(*tasks)


async def test_beside_a_batch_under_way_the_next_goes_when_it_has_lingered() -> None:
    ledger = Ledger(open_=False)
    gather = Gatherer(ledger, linger=0.001)

    tasks = await ready(gather(1))
    tasks += await ready(gather(2))
    async with asyncio.timeout(LONG):
        while len(ledger.batches) < 2:
            await asyncio.sleep(0)

    assert ledger.batches == [[1], [2]]
    ledger.open.set()
    await asyncio.gather(*tasks)


async def test_a_batch_has_at_most_the_agreed_size() -> None:
    ledger = Ledger()
    gather = Gatherer(ledger, max_batch=4, writers=1)

    await asyncio.gather(*(gather(item) for item in range(10)))

    assert ledger.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_the_failure_of_a_batch_belongs_to_whoever_caused_it() -> None:
    ledger = Ledger(2)
    gather = Gatherer(ledger)

    results = await asyncio.gather(gather(1), gather(2), gather(3), return_exceptions=True)

    assert results[0] == "#1"
    assert isinstance(results[1], LookupError)
    assert str(results[1]) == "item 2"
    assert results[2] == "#3"
    assert ledger.batches == [[1, 2, 3], [1], [2], [3]]
    assert ledger.written == [1, 3]


async def test_a_lone_failure_is_not_tried_twice() -> None:
    ledger = Ledger(1)

    with pytest.raises(LookupError, match="item 1"):
        await Gatherer(ledger)(1)

    assert ledger.batches == [[1]]


async def test_the_gatherer_goes_on_after_a_failure() -> None:
    gather = Gatherer(Ledger(1), writers=1)
    with pytest.raises(LookupError):
        await gather(1)

    assert await gather(2) == "#2"


async def test_a_caller_that_goes_away_takes_nothing_from_its_neighbours() -> None:
    ledger = Ledger(open_=False)
    gather = Gatherer(ledger)
    leaving, staying = await ready(gather(1), gather(2))

    leaving.cancel()
    ledger.open.set()

    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await staying == "#2"
    assert ledger.written == [1, 2]


async def test_a_caller_that_goes_away_before_its_batch_fails_leaves_no_unheard_error() -> None:
    unheard: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    ledger = Ledger(1, open_=False)
    gather = Gatherer(ledger)
    leaving, staying = await ready(gather(1), gather(2))

    leaving.cancel()
    ledger.open.set()

    assert await staying == "#2"
    await asyncio.gather(leaving, return_exceptions=True)
    del leaving
    loop.set_exception_handler(None)
    assert unheard == []


async def test_a_full_queue_turns_newcomers_away_at_once_and_takes_them_again_later() -> None:
    ledger = Ledger(open_=False)
    gather = Gatherer(ledger, capacity=2, writers=1)
    under_way = await ready(gather(1))
    waiting = await ready(gather(2), gather(3))

    with pytest.raises(Overloaded):
        await gather(4)

    ledger.open.set()
    assert await asyncio.gather(*under_way, *waiting) == ["#1", "#2", "#3"]
    assert await gather(4) == "#4"
    assert ledger.written == [1, 2, 3, 4]


async def test_a_writer_that_breaks_its_contract_fails_all_rather_than_leaving_them_waiting() -> None:
    batches = []

    async def forgetful(batch: Sequence[int]) -> Sequence[str]:
        batches.append(list(batch))
        return ["#1"]

    gather = Gatherer(forgetful)
    results = await asyncio.gather(gather(1), gather(2), return_exceptions=True)

    assert [type(result) for result in results] == [RuntimeError, RuntimeError]
    assert batches == [[1, 2]]
