"""Port for messages that are not claimed at present: it locks those that expired or whose worker's lease has ended."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from messaging.application.jobs import DeliverLane
from messaging.domain.messages.message_state import MessageState
from messaging.domain.shared.ids import SenderId, TenantId


class Place(Struct, frozen=True, kw_only=True):
    """How far a lane was looked through, in the order of its index."""

    tenant_id: UUID = UUID(int=0)
    sender_id: UUID = UUID(int=0)
    flow_id: UUID = UUID(int=0)
    due_at: datetime = datetime.min.replace(tzinfo=UTC)
    message_id: UUID = UUID(int=0)


class ExpiredPage(Struct, frozen=True, kw_only=True):
    """What has expired in one page of a lane, locked; `next` is None behind the last page."""

    messages: Sequence[MessageState]
    next: Place | None


class UnservedMessages(Protocol):
    """Bound to an open transaction of the platform."""

    async def lock_expired(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        """Messages of these senders that are due and past their expiry, locked; rows locked by others are skipped.

        Looks at a bounded part of each sender's backlog only.
        """
        ...

    async def lock_expired_in(self, lane: DeliverLane, *, after: Place, limit: int) -> ExpiredPage:
        """The expired ones among the next `limit` due messages of a lane; rows locked by others are skipped."""
        ...

    async def lock_lost(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        """Claimed or started messages of these senders whose worker's lease has ended, locked."""
        ...
