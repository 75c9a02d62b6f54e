"""Claims the lanes of endpoints, writes what became of their callbacks, and lets the next ones of their keys go."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from asyncpg import Record

from messaging.adapters.postgres.callbacks.delivering import lane_statements as sql
from messaging.adapters.postgres.session.columns import transposed
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.delivering.lanes import (
    CallbackKey,
    ClaimedLane,
    EndpointKey,
    Head,
    LaneChange,
    LockedLane,
    QueuedCallback,
    Wanted,
)
from messaging.domain.callbacks.breaker import BreakerState, Health
from messaging.domain.shared.mode import Mode


class PostgresLanes:
    """Lanes, in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def enqueue(self, callbacks: Sequence[QueuedCallback]) -> None:
        if not callbacks:
            return
        await self._lock({EndpointKey(it.tenant_id, it.endpoint_id) for it in callbacks})
        rows = [
            (it.tenant_id, it.endpoint_id, it.key, it.sequence, it.event_id, it.window_ends_at, it.replay_of)
            for it in callbacks
        ]
        await self._driver.execute(sql.ENQUEUE, *transposed(rows, 7))

    async def claim(self, wanted: Wanted) -> Sequence[ClaimedLane]:
        rows = await self._driver.fetch(
            sql.CLAIM, wanted.slow, wanted.lanes, wanted.heads_each, wanted.lease, list(wanted.full)
        )
        repeats = [(*_endpoint(row), *_callback(row)) for row in rows if row["lapsed"] and row["key"] is not None]
        if repeats:
            await self._driver.execute(sql.MARK_REPEATS, *transposed(repeats, 5))
        return [_claimed(endpoint, list(of_lane)) for endpoint, of_lane in groupby(rows, _endpoint)]

    async def lock(self, claims: Mapping[EndpointKey, int]) -> Mapping[EndpointKey, LockedLane]:
        rows = await self._driver.fetch(
            sql.LOCK_CLAIMED, *transposed([(*endpoint, epoch) for endpoint, epoch in claims.items()], 3)
        )
        return {_endpoint(row): LockedLane(health=_health(row), now=row["now"]) for row in rows}

    async def apply(self, changes: Sequence[LaneChange]) -> Mapping[EndpointKey, Sequence[Head]]:
        await self._end([(*change.endpoint, *it.callback) for change in changes for it in change.ended])
        await self._retry(
            [
                (*change.endpoint, *it.callback, it.due_at, it.step, it.tries)
                for change in changes
                for it in change.retried
            ]
        )
        taken = await self._take([change for change in changes if change.take])
        if changes:
            rows = [_row(change, kept=bool(change.busy or change.endpoint in taken)) for change in changes]
            await self._driver.execute(sql.WRITE_LANES, *transposed(rows, 13))
        return taken

    async def overdue(self, endpoint: EndpointKey, *, limit: int) -> Sequence[Head]:
        return [_head(row) for row in await self._driver.fetch(sql.OVERDUE, *endpoint, limit)]

    async def _lock(self, endpoints: set[EndpointKey]) -> None:
        keys = transposed(list(endpoints), 2)
        if len(await self._driver.fetch(sql.LOCK_LANES, *keys)) < len(endpoints):
            await self._driver.execute(sql.ADD_LANES, *keys)
            await self._driver.fetch(sql.LOCK_LANES, *keys)

    async def _end(self, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            await self._driver.execute(sql.END, *transposed(rows, 5))
            await self._driver.execute(sql.PROMOTE, *transposed([row[:3] for row in rows], 3))

    async def _retry(self, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            await self._driver.execute(sql.RETRY, *transposed(rows, 8))

    async def _take(self, changes: Sequence[LaneChange]) -> Mapping[EndpointKey, Sequence[Head]]:
        if not changes:
            return {}
        rows = await self._driver.fetch(
            sql.TAKE, *transposed([(*change.endpoint, change.take, _array(change)) for change in changes], 4)
        )
        found: dict[EndpointKey, list[Head]] = {}
        for row in rows:
            found.setdefault(_endpoint(row), []).append(_head(row))
        return found


def _array(change: LaneChange) -> str:
    """The busy events of one lane in PostgreSQL's notation: arrays of different lengths make no array of arrays."""
    return "{" + ",".join(map(str, change.busy)) + "}"


def _endpoint(row: Record) -> EndpointKey:
    return EndpointKey(row["tenant_id"], row["endpoint_id"])


def _callback(row: Record) -> CallbackKey:
    return CallbackKey(row["key"], row["sequence"], row["event_id"])


def _claimed(endpoint: EndpointKey, rows: Sequence[Record]) -> ClaimedLane:
    row = rows[0]
    return ClaimedLane(
        endpoint=endpoint,
        epoch=row["epoch"],
        claimed_at=row["claimed_at"],
        mode=Mode(row["mode"]),
        status=row["status"],
        max_in_flight=row["max_in_flight"],
        rate=row["rate"],
        health=_health(row),
        heads=list(_heads(rows)),
    )


def _heads(rows: Sequence[Record]) -> Iterator[Head]:
    return (_head(row) for row in rows if row["key"] is not None)


def _head(row: Record) -> Head:
    return Head(
        callback=_callback(row),
        created_at=row["created_at"],
        window_ends_at=row["window_ends_at"],
        step=row["step"],
        tries=row["attempts"],
        replay_of=row["replay_of"],
        may_be_repeat=row["may_be_repeat"] or row["lapsed"],
    )


def _health(row: Record) -> Health:
    return Health(
        breaker=BreakerState(row["breaker"]),
        failures=row["failures"],
        opened_at=row["opened_at"],
        probes=row["probes"],
        last_success_at=row["last_success_at"],
        first_failure_at=row["first_failure_at"],
        noticed=row["noticed"],
    )


def _row(change: LaneChange, *, kept: bool) -> tuple[object, ...]:
    health = change.health
    return (
        *change.endpoint,
        health.breaker,
        health.failures,
        health.opened_at,
        health.probes,
        health.last_success_at,
        health.first_failure_at,
        health.noticed,
        change.not_before,
        change.slow,
        kept,
        change.lease,
    )
