"""Lanes and their queues in memory, with a clock of their own. Nothing is undone, and nobody waits for a lock."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from messaging.application.ports.callbacks.delivering.lanes import (
    CallbackKey,
    ClaimedLane,
    DroppedCallback,
    EndpointKey,
    Head,
    LaneChange,
    LockedLane,
    QueuedCallback,
    Wanted,
)
from messaging.domain.callbacks.breaker import BreakerState, Health
from messaging.domain.shared.mode import Mode
from tests.builders import NOON

HEALTHY = Health()
NEVER = datetime.max.replace(tzinfo=NOON.tzinfo)


@dataclass
class Row:
    """A callback that waits."""

    endpoint: EndpointKey
    callback: CallbackKey
    created_at: datetime
    due_at: datetime
    window_ends_at: datetime
    replay_of: UUID | None
    held: bool
    head: bool
    step: int = 0
    tries: int = 0
    may_be_repeat: bool = False

    def as_head(self) -> Head:
        return Head(
            callback=self.callback,
            created_at=self.created_at,
            window_ends_at=self.window_ends_at,
            step=self.step,
            tries=self.tries,
            replay_of=self.replay_of,
            may_be_repeat=self.may_be_repeat,
        )


@dataclass
class Lane:
    """An endpoint with its lane."""

    status: str = "enabled"
    mode: Mode = Mode.LIVE
    max_in_flight: int = 4
    rate: int | None = None
    due_at: datetime = NEVER
    not_before: datetime | None = None
    leased: bool = False
    epoch: int = 0
    slow: bool = False
    health: Health = HEALTHY


class CallbackStore:
    """The rows that the fakes share; `lanes` has every endpoint."""

    def __init__(self) -> None:
        self.now = NOON
        self.lanes: dict[EndpointKey, Lane] = {}
        self.rows: list[Row] = []

    def of(self, endpoint: EndpointKey, key: str | None = None) -> list[Row]:
        """In the order of key and sequence."""
        mine = [row for row in self.rows if row.endpoint == endpoint and key in (None, row.callback.key)]
        return sorted(mine, key=lambda row: row.callback)

    def due(self, endpoint: EndpointKey) -> list[Row]:
        return sorted((it for it in self.of(endpoint) if it.head and it.due_at <= self.now), key=lambda it: it.due_at)

    def find(self, endpoint: EndpointKey, callback: CallbackKey) -> Row | None:
        return next((row for row in self.of(endpoint, callback.key) if row.callback == callback), None)

    def wake(self, endpoint: EndpointKey) -> None:
        lane = self.lanes[endpoint]
        if not lane.leased:
            lane.due_at = min(lane.due_at, max(self.now, lane.not_before or self.now))


class InMemoryLanes:
    def __init__(self, store: CallbackStore) -> None:
        self._store = store

    async def enqueue(self, callbacks: Sequence[QueuedCallback]) -> None:
        store = self._store
        for it in sorted(callbacks, key=lambda one: (one.key, one.sequence)):
            endpoint = EndpointKey(it.tenant_id, it.endpoint_id)
            callback = CallbackKey(it.key, it.sequence, it.event_id)
            lane = store.lanes[endpoint]
            if lane.status == "deleted" or store.find(endpoint, callback):
                continue
            before = store.of(endpoint, it.key)
            held = lane.status != "enabled" or any(row.held for row in before)
            head = not held and not before
            store.rows.append(
                Row(endpoint, callback, store.now, store.now, it.window_ends_at, it.replay_of, held, head)
            )
            if head:
                store.wake(endpoint)

    async def claim(self, wanted: Wanted) -> Sequence[ClaimedLane]:
        store = self._store
        due = [
            (endpoint, lane)
            for endpoint, lane in store.lanes.items()
            if lane.due_at <= store.now and lane.slow is wanted.slow and endpoint.tenant_id not in wanted.full
        ]
        due.sort(key=lambda one: one[1].due_at)
        return sorted((self._claim(*one, wanted) for one in due[: wanted.lanes]), key=lambda it: it.endpoint)

    def _claim(self, endpoint: EndpointKey, lane: Lane, wanted: Wanted) -> ClaimedLane:
        lapsed, lane.leased = lane.leased, True
        lane.epoch, lane.due_at = lane.epoch + 1, self._store.now + wanted.lease
        most = 1 if lane.health.breaker is BreakerState.OPEN else min(lane.max_in_flight, wanted.heads_each)
        heads = self._store.due(endpoint)[:most] if lane.status == "enabled" else []
        for row in heads:
            row.may_be_repeat = row.may_be_repeat or lapsed
        return ClaimedLane(
            endpoint=endpoint,
            epoch=lane.epoch,
            claimed_at=self._store.now,
            mode=lane.mode,
            status=lane.status,
            max_in_flight=lane.max_in_flight,
            rate=lane.rate,
            health=lane.health,
            heads=[row.as_head() for row in heads],
        )

    async def lock(self, claims: Mapping[EndpointKey, int]) -> Mapping[EndpointKey, LockedLane]:
        lanes = {endpoint: self._store.lanes[endpoint] for endpoint in claims}
        return {
            endpoint: LockedLane(health=lane.health, now=self._store.now)
            for endpoint, lane in lanes.items()
            if lane.leased and lane.epoch == claims[endpoint]
        }

    async def apply(self, changes: Sequence[LaneChange]) -> Mapping[EndpointKey, Sequence[Head]]:
        taken = {change.endpoint: self._apply(change) for change in changes}
        return {endpoint: heads for endpoint, heads in taken.items() if heads}

    def _apply(self, change: LaneChange) -> Sequence[Head]:
        store, lane = self._store, self._store.lanes[change.endpoint]
        for ended in change.ended:
            if row := store.find(change.endpoint, ended.callback):
                store.rows.remove(row)
            self._promote(change.endpoint, ended.callback.key)
        for retry in change.retried:
            if row := store.find(change.endpoint, retry.callback):
                row.due_at, row.step, row.tries, row.may_be_repeat = retry.due_at, retry.step, retry.tries, False
        free = [row for row in store.due(change.endpoint) if row.callback.event_id not in change.busy]
        taken = [row.as_head() for row in free[: change.take]]
        lane.health, lane.not_before, lane.slow = change.health, change.not_before, change.slow
        lane.leased = bool(taken or change.busy)
        first = min((row.due_at for row in store.of(change.endpoint) if row.head), default=NEVER)
        lane.due_at = store.now + change.lease if lane.leased else max(first, change.not_before or first)
        return taken

    def _promote(self, endpoint: EndpointKey, key: str) -> None:
        waiting = [row for row in self._store.of(endpoint, key) if not row.held]
        if waiting and not any(row.head for row in waiting):
            waiting[0].head, waiting[0].due_at = True, self._store.now

    async def overdue(self, endpoint: EndpointKey, *, limit: int) -> Sequence[Head]:
        late = [row for row in self._store.due(endpoint) if row.window_ends_at <= self._store.now]
        return [row.as_head() for row in late[:limit]]


class InMemoryHeldCallbacks:
    def __init__(self, store: CallbackStore) -> None:
        self._store = store

    async def hold(self, endpoint: EndpointKey, *, limit: int) -> int:
        rows = [row for row in self._store.of(endpoint) if not row.held][-limit:]
        for row in rows:
            row.held, row.head = True, False
        return len(rows)

    async def release(self, endpoint: EndpointKey, *, window: timedelta, limit: int) -> int:
        rows = [row for row in self._store.of(endpoint) if row.held][:limit]
        now = self._store.now
        for row in rows:
            row.head = all(other.held for other in self._store.of(endpoint, row.callback.key))
            row.held, row.step, row.due_at, row.window_ends_at = False, 0, now, now + window
        if rows:
            self._store.wake(endpoint)
        return len(rows)

    async def drop(self, endpoint: EndpointKey, *, before: datetime | None, limit: int) -> Sequence[DroppedCallback]:
        return self._drop([row for row in self._store.of(endpoint) if before is None or row.created_at < before], limit)

    async def drop_old(self, *, held_for: timedelta, limit: int) -> Sequence[DroppedCallback]:
        return self._drop([row for row in self._store.rows if row.created_at < self._store.now - held_for], limit)

    def _drop(self, rows: Sequence[Row], limit: int) -> Sequence[DroppedCallback]:
        dropped = [row for row in rows if row.held][:limit]
        self._store.rows = [row for row in self._store.rows if row not in dropped]
        return [
            DroppedCallback(endpoint=row.endpoint, event_id=row.callback.event_id, tries=row.tries) for row in dropped
        ]


class InMemoryCallbackUnitOfWork:
    def __init__(self, store: CallbackStore) -> None:
        self.lanes = InMemoryLanes(store)
        self.held_callbacks = InMemoryHeldCallbacks(store)

    async def commit(self, *, durable: bool = True) -> None:
        """Everything is done already."""


class InMemoryCallbacks(CallbackStore):
    """Opens units of work over itself."""

    @asynccontextmanager
    async def open_uow(self) -> AsyncIterator[InMemoryCallbackUnitOfWork]:
        yield InMemoryCallbackUnitOfWork(self)
