"""Ports of the fan-out: the pending events of a tenant become stored events, in one transaction per batch."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from msgspec import Struct

from messaging.application.ports.callbacks.announcements import SubjectKind
from messaging.application.ports.callbacks.delivering.lanes import QueuedCallback
from messaging.application.ports.callbacks.events import NewCallbackEvent
from messaging.domain.callbacks.endpoint import CallbackEndpoint
from messaging.domain.messages.change import Detail
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import (
    AccountId,
    CallbackEventId,
    InboundId,
    MessageId,
    SenderId,
    TenantId,
)
from messaging.domain.shared.mode import Mode


class PendingEvent(Struct, frozen=True, kw_only=True):
    """An announced event that no endpoint was told of yet.

    `sequence` is that of a message's timeline, and None for other subjects: theirs is `number`. A message's `data` is
    None: what it says is read from the timeline.
    """

    tenant_id: TenantId
    number: int
    mode: Mode
    kind: SubjectKind
    subject_id: UUID
    sequence: int | None
    type: str
    occurred_at: datetime | None
    created_at: datetime
    data: dict[str, Any] | None
    trace_id: str | None


class Waiting(NamedTuple):
    """Tenants with pending events behind a given one, in the order of their ids, and how many events there are of all
    tenants, counted up to 10 000.
    """

    tenants: Sequence[TenantId]
    events: int


class TimelineKey(NamedTuple):
    """An entry of a message's timeline."""

    message_id: MessageId
    sequence: int


class MessageFacts(Struct, frozen=True, kw_only=True):
    """A timeline entry with its message. `state` is the one after the entry.

    `provider_message_id` is that of the entry's attempt. `sealed` is the encrypted payload; None if it is large, and
    has to be read by itself.
    """

    state: State
    detail: Detail
    recorded_at: datetime
    occurred_at: datetime | None
    channel: str
    category: str
    account_id: AccountId
    sender_id: SenderId
    provider: str
    provider_message_id: str | None
    reference: str | None
    possible_duplicate: bool
    trace_id: str | None
    sealed: bytes | None


class Pending(Protocol):
    """Pending events. Bound to an open transaction."""

    async def waiting(self, *, after: TenantId | None, limit: int) -> Waiting: ...

    async def take(self, tenant_id: TenantId, limit: int) -> Sequence[PendingEvent] | None:
        """The tenant's oldest pending events; None if another transaction is at work on this tenant's.

        No other transaction takes any of the tenant's until this one ends.
        """
        ...

    async def remove(self, tenant_id: TenantId, numbers: Sequence[int]) -> None: ...


class Subjects(Protocol):
    """What is read of the subjects of events. Bound to an open transaction."""

    async def timeline(self, tenant_id: TenantId, keys: Sequence[TimelineKey]) -> Mapping[TimelineKey, MessageFacts]:
        """Entries with their messages; those that are gone are left out."""
        ...

    async def payload(self, tenant_id: TenantId, id: MessageId) -> bytes | None:
        """The encrypted payload of one message."""
        ...

    async def inbound(self, tenant_id: TenantId, ids: Sequence[InboundId]) -> Mapping[InboundId, bytes]:
        """The encrypted payloads of inbound messages."""
        ...

    async def endpoints(self, tenant_id: TenantId) -> Sequence[CallbackEndpoint]:
        """The tenant's endpoints of both modes, except deleted ones."""
        ...


class StoredEvents(Protocol):
    """The store of events, as the fan-out writes it. Bound to an open transaction."""

    async def last(self, tenant_id: TenantId) -> CallbackEventId | None:
        """The greatest id of the tenant's events: later events get greater ones, so that no reader skips one."""
        ...

    async def add(self, events: Sequence[NewCallbackEvent]) -> None: ...


class CallbackQueue(Protocol):
    """What waits for endpoints, as the fan-out writes it. Bound to an open transaction."""

    async def enqueue(self, callbacks: Sequence[QueuedCallback]) -> None:
        """Write callbacks, and let their lanes be looked at."""
        ...


class FanOutUnitOfWork(Protocol):
    """The platform's transaction with the roles for fanning events out. It is undone unless committed."""

    @property
    def pending(self) -> Pending: ...
    @property
    def subjects(self) -> Subjects: ...
    @property
    def stored_events(self) -> StoredEvents: ...
    @property
    def lanes(self) -> CallbackQueue: ...

    async def commit(self, *, durable: bool = True) -> None: ...


class OpenFanOut(Protocol):
    def __call__(self) -> AbstractAsyncContextManager[FanOutUnitOfWork]: ...
