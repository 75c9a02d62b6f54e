"""Fans pending events out: each becomes a stored event with its body, queued for every endpoint that matches.

The events of one tenant are fanned out by one transaction at a time, so that their ids ascend in the order in which
they become visible: whoever reads events behind an id misses none.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from messaging.application import crashpoints
from messaging.application.callbacks.announcing.describe import Described, describe
from messaging.application.ports.callbacks.delivering.lanes import QueuedCallback
from messaging.application.ports.callbacks.events import NewCallbackEvent
from messaging.application.ports.callbacks.fan_out import FanOutUnitOfWork, OpenFanOut, PendingEvent
from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.callbacks import body
from messaging.domain.callbacks.endpoint import CallbackEndpoint, Ordering, matches
from messaging.domain.shared.ids import CallbackEventId, Prefix, TenantId, typeid
from messaging.domain.shared.mode import Mode

log = logging.getLogger(__name__)

# Tenants of one pass, and those that are dealt with at once, each on a connection of its own.
_TENANTS: Final = 100
_AT_ONCE: Final = 4
# Events of one transaction. They are rendered in one go, which takes about a quarter of a millisecond for each.
_BATCH: Final = 200


class FanOut:
    """A pass over the tenants with pending events, one batch of each. Several processes may run passes at once.

    `windows` is how long a callback is tried, by mode.
    """

    def __init__(
        self,
        *,
        open_fan_out: OpenFanOut,
        snapshots: Snapshots,
        key_ring: KeyRing,
        new_id: NewId,
        clock: Clock,
        telemetry: Telemetry,
        windows: Mapping[Mode, timedelta],
    ) -> None:
        self._windows = windows
        self._open = open_fan_out
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._new_id = new_id
        self._clock = clock
        self._telemetry = telemetry
        self._after: TenantId | None = None

    async def __call__(self) -> int:
        """Returns how many pending events were dealt with; 0 means that nothing is left for now.

        Raises StoreUnavailable. What fails for one tenant is logged and tried again in a later pass.
        """
        left = iter(await self._next_tenants())
        # Each takes the next tenant when it is done with one, so that none waits for the slowest of a group.
        counts = await asyncio.gather(*(self._all_of(left) for _ in range(_AT_ONCE)), return_exceptions=True)
        done = 0
        for count in counts:
            if isinstance(count, BaseException):
                raise count
            done += count
        return done

    async def _all_of(self, tenants: Iterator[TenantId]) -> int:
        done = 0
        for tenant_id in tenants:
            try:
                done += await self._of(tenant_id)
            except StoreUnavailable:
                raise
            except Exception:
                log.exception("callbacks.fan_out_failed", extra={"tenant_id": typeid(Prefix.TENANT, tenant_id)})
        return done

    async def _next_tenants(self) -> Sequence[TenantId]:
        """Tenants behind those of the last pass, and from the first again when it came to the end."""
        async with self._open() as uow:
            waiting = await uow.pending.waiting(after=self._after, limit=_TENANTS)
            if not waiting.tenants and self._after is not None:
                waiting = await uow.pending.waiting(after=None, limit=_TENANTS)
        self._after = waiting.tenants[-1] if len(waiting.tenants) == _TENANTS else None
        self._telemetry.gauge("callback_fanout_waiting", waiting.events)
        return waiting.tenants

    async def _of(self, tenant_id: TenantId) -> int:
        facts = await self._snapshots.tenant(tenant_id)
        if facts is None:
            raise LookupError("events are pending of a tenant that does not exist")
        cipher = self._key_ring.cipher(tenant_id, facts.data_keys)
        async with self._open() as uow:
            events = await uow.pending.take(tenant_id, _BATCH)
            if not events:
                return 0
            await self._fan_out(uow, cipher, tenant_id, events)
            await uow.pending.remove(tenant_id, [event.number for event in events])
            crashpoints.reach("fan_out.before_commit")
            await uow.commit()
        crashpoints.reach("fan_out.after_commit")
        self._observe(events)
        return len(events)

    async def _fan_out(
        self, uow: FanOutUnitOfWork, cipher: TenantCipher, tenant_id: TenantId, events: Sequence[PendingEvent]
    ) -> None:
        endpoints = await uow.subjects.endpoints(tenant_id)
        modes = {endpoint.mode for endpoint in endpoints}
        # Announced while it was not known that nobody listens, or before the last endpoint was deleted.
        heard = [event for event in events if event.mode in modes]
        if not heard:
            return
        described = await describe(uow.subjects, cipher, tenant_id, heard)
        ids = self._ids(await uow.stored_events.last(tenant_id), len(described))
        now = self._clock.now()
        stored, queued = [], []
        for it, id in zip(described, ids, strict=True):
            takers = [endpoint for endpoint in endpoints if matches(endpoint, it.facts)]
            stored.append(_stored(it, id, cipher, takers))
            ends_at = now + self._windows[it.event.mode]
            queued += [_queued(it, id, endpoint, ends_at) for endpoint in takers if not endpoint.is_pulled]
        await uow.stored_events.add(stored)
        await uow.lanes.enqueue(queued)

    def _ids(self, last: CallbackEventId | None, count: int) -> list[CallbackEventId]:
        """Ids that ascend, from behind the last one, also where the clock of the process that made it runs ahead."""
        ids: list[CallbackEventId] = []
        for _ in range(count):
            id = self._new_id()
            if last is not None and id.int <= last.int:
                id = UUID(int=last.int + 1)
            last = CallbackEventId(id)
            ids.append(last)
        return ids

    def _observe(self, events: Iterable[PendingEvent]) -> None:
        now = self._clock.now()
        for event in events:
            self._telemetry.observe("callback_fanout_seconds", max((now - event.created_at).total_seconds(), 0.0))


def _sequence(event: PendingEvent) -> int:
    return event.number if event.sequence is None else event.sequence


def _stored(
    it: Described, id: CallbackEventId, cipher: TenantCipher, takers: Iterable[CallbackEndpoint]
) -> NewCallbackEvent:
    event = it.event
    about = {
        "event_id": typeid(Prefix.EVENT, id),
        "sequence": _sequence(event),
        "api_version": body.API_VERSION,
        "mode": event.mode.value,
    }
    told = body.Facts(
        type=event.type, at=it.at, about=about, name=event.kind.value, subject=it.subject, private=it.private
    )
    bodies = body.bodies(told, (frozenset(endpoint.include) for endpoint in takers))
    return NewCallbackEvent(
        tenant_id=event.tenant_id,
        id=id,
        mode=event.mode,
        kind=event.kind,
        subject_id=event.subject_id,
        sequence=_sequence(event),
        type=event.type,
        occurred_at=it.at,
        sealed=cipher.seal(body.context(id), body.packed(bodies)),
        digest=hashlib.sha256(bodies.thin).digest(),
        trace_id=it.trace_id,
    )


def _queued(it: Described, id: CallbackEventId, endpoint: CallbackEndpoint, ends_at: datetime) -> QueuedCallback:
    event = it.event
    in_order = endpoint.ordering is Ordering.PER_SUBJECT
    return QueuedCallback(
        tenant_id=event.tenant_id,
        endpoint_id=endpoint.id,
        key=f"{event.kind}:{event.subject_id}" if in_order else str(id),
        sequence=_sequence(event),
        event_id=id,
        window_ends_at=ends_at,
    )
