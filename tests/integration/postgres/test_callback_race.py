"""Workers that race for callbacks keep the order of every key, and never have two of a key under way.

They claim, settle and take more at the same time, while callbacks are enqueued by several transactions; one attempt in
seven fails, and now and then a worker forgets what it has claimed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Final
from uuid import UUID

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.ports.callbacks.delivering.lanes import (
    ClaimedLane,
    Ending,
    EndpointKey,
    Head,
    LaneChange,
    Retry,
)
from messaging.domain.shared.ids import CallbackEndpointId
from tests.builders import TENANT
from tests.callbacks import a_callback, add_endpoint, wanted
from tests.seeding import seed_tenant

ENDPOINTS: Final = [CallbackEndpointId(UUID(int=n)) for n in range(1, 7)]
KEYS: Final = 12
OF_A_KEY: Final = 6
EVENTS: Final = len(ENDPOINTS) * KEYS * OF_A_KEY
WORKERS: Final = 4
LEASE: Final = timedelta(milliseconds=200)
LONG_LEASE: Final = timedelta(minutes=10)


class Receiver:
    """Keeps a ledger of what it was posted. Exchanges take a few turns of the loop, and one in seven fails."""

    def __init__(self) -> None:
        self._random = Random(7)
        self._under_way: set[tuple[UUID, str]] = set()
        self._last: dict[tuple[UUID, str], int] = defaultdict(int)
        self.delivered: set[tuple[UUID, str, int]] = set()
        self.twice_at_once: list[object] = []
        self.out_of_order: list[object] = []

    async def post(self, endpoint: EndpointKey, head: Head) -> bool:
        key, sequence = (endpoint.endpoint_id, head.callback.key), head.callback.sequence
        if key in self._under_way:
            self.twice_at_once.append((key, sequence))
        self._under_way.add(key)
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)
        self._under_way.discard(key)
        if self._random.random() < 1 / 7:
            return False
        if (*key, sequence) not in self.delivered:
            if sequence != self._last[key] + 1:
                self.out_of_order.append((key, sequence, self._last[key]))
            self._last[key] = sequence
            self.delivered.add((*key, sequence))
        return True


class Worker:
    def __init__(self, engines: Engines, receiver: Receiver, seed: int) -> None:
        self._open_uow = PostgresSystemUnitOfWorkFactory(engines.system)
        self._receiver = receiver
        self._random = Random(seed)

    async def run(self) -> None:
        while len(self._receiver.delivered) < EVENTS:
            # What is claimed with the short lease is forgotten, as by a worker that is killed.
            forgets = self._random.random() < 0.05
            async with self._open_uow() as uow:
                lanes = await uow.lanes.claim(wanted(lanes=3, heads_each=4, lease=LEASE if forgets else LONG_LEASE))
                await uow.commit()
            if not forgets:
                await asyncio.gather(*(self._hold(lane) for lane in lanes))
            if not lanes:
                await asyncio.sleep(0.002)

    async def _hold(self, lane: ClaimedLane) -> None:
        heads: Sequence[Head] = lane.heads
        first = True
        while heads or first:
            first = False
            took = await asyncio.gather(*(self._receiver.post(lane.endpoint, head) for head in heads))
            async with self._open_uow() as uow:
                locked = await uow.lanes.lock({lane.endpoint: lane.epoch})
                change = self._change(lane, list(zip(heads, took, strict=True)), locked[lane.endpoint].now)
                taken = await uow.lanes.apply([change])
                await uow.commit()
            heads = taken.get(lane.endpoint, ())

    def _change(self, lane: ClaimedLane, took: Sequence[tuple[Head, bool]], now: object) -> LaneChange:
        retries = [
            Retry(
                callback=head.callback,
                due_at=lane.claimed_at + timedelta(milliseconds=self._random.randrange(30)),
                step=head.step + 1,
                tries=head.tries + 1,
            )
            for head, ok in took
            if not ok
        ]
        return LaneChange(
            endpoint=lane.endpoint,
            health=lane.health,
            ended=[Ending(callback=head.callback) for head, ok in took if ok],
            retried=retries,
            take=self._random.randrange(4),
            lease=LONG_LEASE,
        )


async def enqueue_all(engines: Engines, parity: int) -> None:
    """Two of these enqueue every other key each, in batches that touch all endpoints in no order."""
    open_uow, random = PostgresSystemUnitOfWorkFactory(engines.system), Random(parity)
    for sequence in range(1, OF_A_KEY + 1):
        batch = [
            a_callback(sequence, f"k{number}", endpoint_id=endpoint)
            for endpoint in ENDPOINTS
            for number in range(parity, KEYS, 2)
        ]
        random.shuffle(batch)
        async with open_uow() as uow:
            await uow.lanes.enqueue(batch)
            await uow.commit()


async def test_no_key_is_twice_under_way_none_out_of_order_and_nothing_is_left(engines: Engines) -> None:
    await seed_tenant(engines)
    for endpoint in ENDPOINTS:
        await add_endpoint(engines, endpoint, max_in_flight=5)
    receiver = Receiver()

    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        for number in range(2):
            tasks.create_task(enqueue_all(engines, number))
        for number in range(WORKERS):
            tasks.create_task(Worker(engines, receiver, number).run())

    assert receiver.twice_at_once == []
    assert receiver.out_of_order == []
    assert len(receiver.delivered) == EVENTS
    async with transaction(engines.system) as opened:
        assert await opened.driver.fetchval("SELECT count(*) FROM callback_queue WHERE tenant_id = $1", TENANT) == 0
        left = "SELECT count(*) FROM callback_lanes WHERE due_at < 'infinity' AND NOT leased AND due_at < now()"
        assert await opened.driver.fetchval(left) == 0
