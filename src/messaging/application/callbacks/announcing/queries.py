"""Reads a tenant's events of the last 30 days, for whoever lost callbacks or asks instead of being called."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from messaging.application.ports.callbacks.events import CallbackEvents, EventFilter, EventRow
from messaging.application.ports.clock import Clock
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.domain.callbacks import body
from messaging.domain.shared.ids import CallbackEventId, Prefix, typeid
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import Principal

# Days that events can be read.
KEPT: Final = timedelta(days=30)


class CallbackEventView(Struct, frozen=True, kw_only=True):
    """An event as callbacks tell it, without what endpoints include on request."""

    id: Annotated[str, Meta(description="The event's id, evt_…; callbacks carry it in the header webhook-id.")]
    type: Annotated[str, Meta(description="What happened, such as message.delivered; GET /v1/event-types lists all.")]
    # As it is in the body, so that a program which forwards the event posts the same bytes.
    timestamp: Annotated[str, Meta(description="When it happened: the provider's time where it told one, else ours.")]
    data: Annotated[
        dict[str, Any],
        Meta(description="What the event tells of its subject, with event_id, sequence, mode and api_version."),
    ]
    created_at: Annotated[datetime, Meta(description="When the event was recorded for callbacks.")]
    trace_id: Annotated[str | None, Meta(description="The trace of the request that the event goes back to.")]


class CallbackEventsView(Struct, frozen=True, kw_only=True):
    """A page of events, oldest first. `data` may be empty while there are more."""

    data: tuple[CallbackEventView, ...]
    next_cursor: Annotated[
        str | None,
        Meta(
            description="Give it as `after` to go on from here: now if has_more is true, else whenever you like. Null "
            "only while there is no event and none was named."
        ),
    ]
    has_more: Annotated[bool, Meta(description="Whether there are more events already.")]


class _Body(Struct):
    type: str
    timestamp: str
    data: dict[str, Any]


_bodies = msgspec.json.Decoder(_Body)


class ListCallbackEvents:
    """Lists events, oldest first. Later pages begin behind the last event of the page before, and miss none."""

    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing, clock: Clock) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._clock = clock

    async def __call__(
        self, principal: Principal, wanted: EventFilter, *, after: CallbackEventId | None, limit: int
    ) -> CallbackEventsView:
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        since = self._clock.now() - KEPT
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows, scanned_to = await uow.callback_events.page(wanted, after=after, since=since, limit=limit)
        last = scanned_to or (rows[-1].id if rows else after)
        return CallbackEventsView(
            data=tuple(_view(row, cipher) for row in rows),
            next_cursor=None if last is None else typeid(Prefix.EVENT, last),
            has_more=scanned_to is not None,
        )


class FindCallbackEvent:
    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing, clock: Clock) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._clock = clock

    async def __call__(self, principal: Principal, id: CallbackEventId) -> CallbackEventView:
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            row = await _known(uow.callback_events, id)
        if row.created_at < self._clock.now() - KEPT:
            raise not_found()
        return _view(row, cipher)


async def _known(events: CallbackEvents, id: CallbackEventId) -> EventRow:
    row = await events.one(id)
    if row is None:
        raise not_found()
    return row


def _view(row: EventRow, cipher: TenantCipher) -> CallbackEventView:
    stored = body.unpacked(cipher.open(body.context(row.id), row.sealed))
    told = _bodies.decode(stored.thin)
    return CallbackEventView(
        id=typeid(Prefix.EVENT, row.id),
        type=told.type,
        timestamp=told.timestamp,
        data=told.data,
        created_at=row.created_at,
        trace_id=row.trace_id,
    )
