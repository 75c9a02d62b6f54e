"""Port that reads stored events, as a tenant asks for them."""

from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from msgspec import Struct

from messaging.application.ports.callbacks.announcements import SubjectKind
from messaging.domain.shared.ids import CallbackEventId, TenantId
from messaging.domain.shared.mode import Mode


class NewCallbackEvent(Struct, frozen=True, kw_only=True):
    """An event to be stored. `sealed` is the encrypted bodies, `digest` the SHA-256 of the thin one."""

    tenant_id: TenantId
    id: CallbackEventId
    mode: Mode
    kind: SubjectKind
    subject_id: UUID
    sequence: int
    type: str
    occurred_at: datetime
    sealed: bytes
    digest: bytes
    trace_id: str | None


class EventRow(Struct, frozen=True, kw_only=True):
    """An event as stored; `sealed` is the encrypted bodies."""

    id: CallbackEventId
    created_at: datetime
    trace_id: str | None
    sealed: bytes


class EventFilter(Struct, frozen=True, kw_only=True):
    """All given conditions must hold. `type` may end in `*`, as in `message.*`."""

    type: str | None = None
    subject_id: UUID | None = None


class EventPage(NamedTuple):
    """Rows, oldest first. `scanned_to` is the last event looked at if there may be more behind it, else None."""

    rows: tuple[EventRow, ...]
    scanned_to: CallbackEventId | None


class CallbackEvents(Protocol):
    """Stored events of the unit of work's tenant and mode. Bound to an open transaction."""

    async def page(
        self, wanted: EventFilter, *, after: CallbackEventId | None, since: datetime, limit: int
    ) -> EventPage:
        """The events behind `after`, none of them older than `since`; maybe fewer than `limit` while there are more."""
        ...

    async def one(self, id: CallbackEventId) -> EventRow | None: ...
