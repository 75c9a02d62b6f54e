"""Port for inbound messages and the times at which people last wrote, which decide the 24-hour window."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import AccountId, InboundId, SenderId, TenantId


class NewInbound(Struct, frozen=True, kw_only=True):
    """`sealed` is the encrypted `InboundMessage`; `contact_indexes` are blind indexes of phone and/or user id."""

    id: InboundId
    tenant_id: TenantId
    account_id: AccountId
    sender_id: SenderId
    provider_message_id: str
    kind: str
    contact_indexes: tuple[bytes, ...]
    sealed: bytes
    occurred_at: datetime
    opens_window: bool


class InboundRow(Struct, frozen=True, kw_only=True):
    """An inbound message as stored; `sealed` is the encrypted `InboundMessage`."""

    id: InboundId
    account_id: AccountId
    sender_id: SenderId
    kind: str
    sealed: bytes
    occurred_at: datetime
    received_at: datetime


class Conversations(Protocol):
    """Inbound messages and open windows. Bound to an open transaction."""

    async def add_inbound(self, messages: Sequence[NewInbound]) -> AbstractSet[InboundId]:
        """Store messages and open their senders' 24-hour windows; returns those that were not stored before. A message
        that is stored already changes nothing.
        """
        ...

    async def last_inbound(
        self, tenant_id: TenantId, contacts: Sequence[tuple[SenderId, bytes]]
    ) -> Mapping[tuple[SenderId, bytes], datetime]:
        """When each contact last wrote to the sender, under any address known to be theirs; others are left out."""
        ...

    async def page(self, *, before: InboundId | None, limit: int) -> Sequence[InboundRow]:
        """Newest first, of the unit of work's tenant and mode."""
        ...
