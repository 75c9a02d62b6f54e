"""The fake and Postgres hand out the same callbacks, in the same order, and keep what nobody may have yet."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.ports.callbacks.delivering.lanes import (
    CallbackKey,
    ClaimedLane,
    DroppedCallback,
    Ending,
    EndpointKey,
    Head,
    LaneChange,
    QueuedCallback,
    Retry,
)
from messaging.application.ports.unit_of_work import LaneRoles
from messaging.domain.callbacks.breaker import BreakerState, Health
from messaging.domain.shared.mode import Mode
from tests.builders import NOON, OTHER_TENANT, TENANT
from tests.callbacks import (
    LANE,
    LEASE,
    OTHER_ENDPOINT,
    a_callback,
    add_endpoint,
    callback_key,
    event_id,
    set_status,
    wanted,
)
from tests.fakes.callback_lanes import InMemoryCallbacks, Lane
from tests.seeding import seed_other_tenant, seed_tenant

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
FAILING = Health(
    breaker=BreakerState.OPEN,
    failures=7,
    opened_at=NOON,
    probes=2,
    first_failure_at=NOON,
    last_success_at=NOON,
    noticed=1,
)
OTHER_LANE = EndpointKey(OTHER_TENANT, OTHER_ENDPOINT)


class Store(NamedTuple):
    """`pass_time` lets every time be so much longer ago."""

    open_uow: Callable[[], AbstractAsyncContextManager[LaneRoles]]
    pass_time: Callable[[timedelta], Awaitable[None]]
    set_status: Callable[[str], Awaitable[None]]

    async def enqueue(self, *callbacks: QueuedCallback) -> None:
        async with self.open_uow() as uow:
            await uow.lanes.enqueue(callbacks)
            await uow.commit()

    async def claim(self, **changes: Any) -> Sequence[ClaimedLane]:
        async with self.open_uow() as uow:
            lanes = await uow.lanes.claim(wanted(**changes))
            await uow.commit()
        return lanes

    async def take(self) -> ClaimedLane:
        [lane] = await self.claim()
        return lane

    async def change(self, claimed: ClaimedLane, **changes: Any) -> Mapping[EndpointKey, Sequence[Head]]:
        fields: dict[str, Any] = {"endpoint": claimed.endpoint, "health": claimed.health, "lease": LEASE} | changes
        async with self.open_uow() as uow:
            assert claimed.endpoint in await uow.lanes.lock({claimed.endpoint: claimed.epoch})
            taken = await uow.lanes.apply([LaneChange(**fields)])
            await uow.commit()
        return taken

    async def hold(self, limit: int = 100) -> int:
        async with self.open_uow() as uow:
            held = await uow.held_callbacks.hold(LANE, limit=limit)
            await uow.commit()
        return held

    async def release(self, limit: int = 100) -> int:
        async with self.open_uow() as uow:
            released = await uow.held_callbacks.release(LANE, window=HOUR, limit=limit)
            await uow.commit()
        return released

    async def drop(self, before: datetime | None = None, limit: int = 100) -> Sequence[DroppedCallback]:
        async with self.open_uow() as uow:
            dropped = await uow.held_callbacks.drop(LANE, before=before, limit=limit)
            await uow.commit()
        return dropped

    async def drop_old(self, held_for: timedelta) -> Sequence[DroppedCallback]:
        async with self.open_uow() as uow:
            dropped = await uow.held_callbacks.drop_old(held_for=held_for, limit=100)
            await uow.commit()
        return dropped


SHIFT = (
    """
UPDATE callback_queue SET due_at = due_at - $1::interval, window_ends_at = window_ends_at - $1::interval,
    created_at = created_at - $1::interval
""",
    "UPDATE callback_lanes SET due_at = due_at - $1::interval, not_before = not_before - $1::interval",
)


@pytest.fixture
async def in_memory() -> Store:
    fake = InMemoryCallbacks()
    fake.lanes = {LANE: Lane(), OTHER_LANE: Lane(mode=Mode.TEST, max_in_flight=1, rate=7)}

    async def move(by: timedelta) -> None:
        fake.now += by

    async def set_status(status: str) -> None:
        fake.lanes[LANE].status = status

    return Store(fake.open_uow, move, set_status)


@pytest.fixture
async def in_postgres(engines: Engines) -> Store:
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    await add_endpoint(engines)
    await add_endpoint(engines, OTHER_ENDPOINT, tenant_id=OTHER_TENANT, mode=Mode.TEST, max_in_flight=1, rate=7)

    async def shift(by: timedelta) -> None:
        async with transaction(engines.system) as opened:
            for statement in SHIFT:
                await opened.driver.execute(statement, by)
            await opened.commit()

    async def change_status(status: str) -> None:
        await set_status(engines, status)

    return Store(PostgresSystemUnitOfWorkFactory(engines.system), shift, change_status)


@pytest.fixture(params=["in_memory", "in_postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


def other_callback(sequence: int = 1, **changes: Any) -> QueuedCallback:
    return a_callback(sequence, "other", tenant_id=OTHER_TENANT, endpoint_id=OTHER_ENDPOINT, **changes)


def callbacks(heads: Sequence[Head]) -> list[CallbackKey]:
    return sorted(head.callback for head in heads)


def ended(*of: CallbackKey) -> list[Ending]:
    return [Ending(callback=callback) for callback in of]


async def test_only_the_first_of_each_key_is_claimed_and_by_one_worker(store: Store) -> None:
    await store.enqueue(a_callback(2), a_callback(1), a_callback(3, "b"), other_callback())

    mine, other = await store.claim()

    assert (mine.endpoint, callbacks(mine.heads)) == (LANE, [callback_key(1), callback_key(3, "b")])
    assert (mine.mode, mine.status, mine.max_in_flight, mine.rate) == (Mode.LIVE, "enabled", 4, None)
    assert (other.endpoint, other.mode, other.max_in_flight, other.rate) == (OTHER_LANE, Mode.TEST, 1, 7)
    assert mine.health == Health()
    head = min(mine.heads, key=lambda it: it.callback)
    assert (head.step, head.tries, head.replay_of, head.may_be_repeat) == (0, 0, None, False)
    assert head.created_at <= mine.claimed_at
    assert await store.claim() == []


async def test_what_comes_later_waits_behind_what_is_there(store: Store) -> None:
    await store.enqueue(a_callback(1))
    claimed = await store.take()
    await store.enqueue(a_callback(1), a_callback(2), a_callback(3))

    assert await store.claim() == []
    taken = await store.change(claimed, ended=ended(callback_key(1)), take=5)

    assert callbacks(taken[LANE]) == [callback_key(2)]
    assert await store.change(claimed, ended=ended(callback_key(2))) == {}
    assert callbacks((await store.take()).heads) == [callback_key(3)]


async def test_a_lane_without_work_is_let_go_until_something_comes(store: Store) -> None:
    await store.enqueue(a_callback(1))
    claimed = await store.take()
    assert await store.change(claimed, ended=ended(callback_key(1)), take=5) == {}

    assert await store.claim() == []
    await store.pass_time(HOUR)
    assert await store.claim() == []
    await store.enqueue(a_callback(2))
    assert callbacks((await store.take()).heads) == [callback_key(2)]


async def test_what_failed_is_due_again_at_its_time_and_holds_back_those_behind_it(store: Store) -> None:
    await store.enqueue(a_callback(1), a_callback(2), a_callback(1, "b"))
    claimed = await store.take()

    retry = Retry(callback=callback_key(1), due_at=claimed.claimed_at + 10 * MINUTE, step=3, tries=4)
    await store.change(claimed, retried=[retry], ended=ended(callback_key(1, "b")))

    assert await store.claim() == []
    await store.enqueue(a_callback(1, "c"))
    again = await store.take()
    assert callbacks(again.heads) == [callback_key(1, "c")]
    await store.change(again, ended=ended(callback_key(1, "c")))
    await store.pass_time(11 * MINUTE)
    [head] = (await store.take()).heads
    assert (head.callback, head.step, head.tries) == (callback_key(1), 3, 4)


async def test_a_lease_that_lapses_gives_the_lane_to_another_and_nothing_to_the_former(store: Store) -> None:
    await store.enqueue(a_callback(1))
    lost = await store.take()
    await store.pass_time(LEASE - SECOND)
    assert await store.claim() == []
    await store.pass_time(2 * SECOND)

    again = await store.take()

    assert again.epoch == lost.epoch + 1
    assert [head.may_be_repeat for head in again.heads] == [True]
    async with store.open_uow() as uow:
        assert await uow.lanes.lock({lost.endpoint: lost.epoch}) == {}
    retry = Retry(callback=callback_key(1), due_at=again.claimed_at, step=1, tries=1)
    await store.change(again, retried=[retry])
    [head] = (await store.take()).heads
    assert not head.may_be_repeat


async def test_more_heads_are_taken_besides_those_under_way(store: Store) -> None:
    await store.enqueue(*(a_callback(1, key) for key in "abcdef"))
    claimed = await store.take()
    assert len(claimed.heads) == 4
    done, *busy = [head.callback for head in claimed.heads]

    taken = await store.change(claimed, ended=ended(done), take=1, busy=[callback.event_id for callback in busy])

    [more] = taken[LANE]
    assert more.callback not in callbacks(claimed.heads)
    assert await store.claim() == []
    await store.pass_time(LEASE + SECOND)
    assert len((await store.take()).heads) == 4


async def test_a_lane_stays_claimed_while_something_is_under_way(store: Store) -> None:
    await store.enqueue(a_callback(1), a_callback(1, "b"))
    claimed = await store.take()

    assert await store.change(claimed, ended=ended(callback_key(1)), busy=[event_id("b", 1)]) == {}

    assert await store.claim() == []
    await store.change(claimed, ended=ended(callback_key(1, "b")))
    async with store.open_uow() as uow:
        assert await uow.lanes.lock({LANE: claimed.epoch}) == {}


async def test_a_lane_that_is_held_back_waits_also_when_something_comes(store: Store) -> None:
    await store.enqueue(a_callback(1), a_callback(2))
    claimed = await store.take()
    until = claimed.claimed_at + 5 * MINUTE

    await store.change(claimed, ended=ended(callback_key(1)), not_before=until)
    await store.enqueue(a_callback(1, "b"))

    assert await store.claim() == []
    await store.pass_time(5 * MINUTE + SECOND)
    assert len((await store.take()).heads) == 2


async def test_an_open_breaker_lets_one_pass_and_its_health_is_kept(store: Store) -> None:
    await store.enqueue(*(a_callback(1, key) for key in "abc"))
    await store.change(await store.take(), health=FAILING)

    claimed = await store.take()

    assert (claimed.health, len(claimed.heads)) == (FAILING, 1)
    async with store.open_uow() as uow:
        locked = (await uow.lanes.lock({LANE: claimed.epoch}))[LANE]
    assert locked.health == FAILING
    assert locked.now >= claimed.claimed_at


async def test_slow_lanes_are_claimed_apart(store: Store) -> None:
    await store.enqueue(a_callback(1))
    await store.change(await store.take(), slow=True)

    assert await store.claim() == []
    [claimed] = await store.claim(slow=True)
    await store.change(claimed, slow=False)
    assert len(await store.claim()) == 1


async def test_a_worker_takes_no_more_than_it_has_room_for(store: Store) -> None:
    await store.enqueue(*(a_callback(1, key) for key in "abc"), other_callback())

    assert [lane.endpoint for lane in await store.claim(full=[TENANT])] == [OTHER_LANE]
    [mine] = await store.claim(lanes=1, heads_each=2)
    assert len(mine.heads) == 2


async def test_heads_whose_window_is_over_are_found(store: Store) -> None:
    await store.enqueue(
        a_callback(1, window_ends_at=NOON - HOUR), a_callback(2, window_ends_at=NOON - HOUR), a_callback(1, "b")
    )
    claimed = await store.take()

    async with store.open_uow() as uow:
        await uow.lanes.lock({LANE: claimed.epoch})
        late = await uow.lanes.overdue(LANE, limit=10)
        assert await uow.lanes.overdue(LANE, limit=0) == []

    assert callbacks(late) == [callback_key(1)]


@pytest.mark.parametrize("status", ["paused", "disabled"])
async def test_what_comes_for_an_endpoint_that_is_not_enabled_is_held(store: Store, status: str) -> None:
    await store.set_status(status)
    await store.enqueue(a_callback(1), a_callback(2))
    assert await store.claim() == []

    await store.set_status("enabled")
    assert await store.release() == 2
    claimed = await store.take()

    [head] = claimed.heads
    assert head.callback == callback_key(1)
    assert HOUR - MINUTE < head.window_ends_at - claimed.claimed_at <= HOUR


async def test_nothing_is_written_for_an_endpoint_that_is_deleted(store: Store) -> None:
    await store.set_status("deleted")
    await store.enqueue(a_callback(1))

    await store.set_status("enabled")
    assert await store.release() == 0
    assert await store.claim() == []


async def test_nothing_is_claimed_of_an_endpoint_that_is_not_enabled_and_all_of_it_can_be_held(store: Store) -> None:
    await store.enqueue(a_callback(1), a_callback(2), a_callback(1, "b"))
    await store.set_status("paused")

    claimed = await store.take()
    assert (claimed.status, claimed.heads) == ("paused", [])
    assert (await store.hold(limit=2), await store.hold(limit=2), await store.hold(limit=2)) == (2, 1, 0)
    await store.change(claimed)

    await store.pass_time(HOUR)
    assert await store.claim() == []


async def test_what_is_under_way_ends_although_it_is_held(store: Store) -> None:
    await store.enqueue(a_callback(1), a_callback(2))
    claimed = await store.take()
    await store.set_status("paused")
    assert await store.hold() == 2

    await store.change(claimed, ended=ended(callback_key(1)))

    assert await store.claim() == []
    await store.set_status("enabled")
    assert await store.release() == 1
    assert callbacks((await store.take()).heads) == [callback_key(2)]


async def test_the_order_of_a_key_outlives_being_held_and_released_bit_by_bit(store: Store) -> None:
    await store.enqueue(a_callback(1), a_callback(2), a_callback(3))
    await store.set_status("paused")
    await store.claim()
    assert await store.hold(limit=2) == 2
    await store.set_status("enabled")
    await store.pass_time(LEASE + SECOND)
    await store.enqueue(a_callback(4), a_callback(1, "b"))

    claimed = await store.take()
    seen: list[CallbackKey] = []
    while not seen or seen[-1] != callback_key(4):
        await store.release(limit=1)
        seen += [head.callback for head in claimed.heads if head.callback.key == "a"]
        await store.change(claimed, ended=[Ending(callback=head.callback) for head in claimed.heads])
        claimed = next(iter(await store.claim()), claimed)

    assert seen == [callback_key(n) for n in (1, 2, 3, 4)]


async def test_what_is_held_can_be_dropped(store: Store) -> None:
    await store.set_status("paused")
    await store.enqueue(a_callback(1), a_callback(2))
    await store.pass_time(HOUR)
    await store.enqueue(a_callback(3))

    first = await store.drop_old(30 * MINUTE)

    assert sorted(it.event_id for it in first) == [event_id("a", 1), event_id("a", 2)]
    assert {(it.endpoint, it.tries) for it in first} == {(LANE, 0)}
    assert await store.drop(before=NOON - 20_000 * HOUR) == []
    assert [it.event_id for it in await store.drop()] == [event_id("a", 3)]
    assert await store.drop() == []


async def test_what_is_not_committed_is_not_there(in_postgres: Store) -> None:
    async with in_postgres.open_uow() as uow:
        await uow.lanes.enqueue([a_callback(1)])

    assert await in_postgres.claim() == []
