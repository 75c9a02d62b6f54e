"""Port for provider events that the platform does not interpret yet: stored with content, listed, deleted later."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import AccountId, EventId, TenantId, WebhookId


class NewProviderEvent(Struct, frozen=True, kw_only=True):
    """`digest` is a keyed hash, equal for equal events, by which repetitions are recognised.

    `sealed` is the encrypted content and `size` its length in bytes before encryption. `webhook_id` is the stored
    webhook that brought the event.
    """

    id: EventId
    tenant_id: TenantId
    account_id: AccountId
    webhook_id: WebhookId
    kind: str
    sender_external_id: str | None
    occurred_at: datetime | None
    received_at: datetime
    size: int
    digest: bytes
    sealed: bytes


class ProviderEventRow(Struct, frozen=True, kw_only=True):
    """An event as stored; `sealed` is None where a list leaves out a large content."""

    id: EventId
    account_id: AccountId
    webhook_id: WebhookId
    kind: str
    sender_external_id: str | None
    occurred_at: datetime | None
    received_at: datetime
    size: int
    sealed: bytes | None


class ProviderEventFilter(Struct, frozen=True, kw_only=True):
    """All given conditions must hold."""

    kind: str | None = None
    account_id: AccountId | None = None


class ProviderEvents(Protocol):
    """Stored provider events. Bound to an open transaction."""

    async def add(self, events: Sequence[NewProviderEvent]) -> AbstractSet[EventId]:
        """Store events in the mode of their accounts; returns those that were not stored before."""
        ...

    async def page(
        self, wanted: ProviderEventFilter, *, before: EventId | None, limit: int, largest: int
    ) -> Sequence[ProviderEventRow]:
        """Newest first, of the unit of work's tenant and mode; contents of more than `largest` bytes are left out."""
        ...

    async def one(self, id: EventId) -> ProviderEventRow | None: ...
