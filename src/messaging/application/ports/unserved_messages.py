"""Port for messages that are not claimed at present: it locks those that expired or whose worker's lease has ended."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message_state import MessageState
from messaging.domain.shared.ids import SenderId, TenantId


class Place(Struct, frozen=True, kw_only=True):
    """A position in a lane, in the order of the lane's index; by default before the first message."""

    tenant_id: UUID = UUID(int=0)
    sender_id: UUID = UUID(int=0)
    flow_id: UUID = UUID(int=0)
    due_at: datetime = datetime.min.replace(tzinfo=UTC)
    message_id: UUID = UUID(int=0)


class ExpiredPage(Struct, frozen=True, kw_only=True):
    """The expired messages of one page of a lane, locked. The next page starts after `next`; None after the last."""

    messages: Sequence[MessageState]
    next: Place | None


class UnservedMessages(Protocol):
    """Messages that no worker will finish, locked within an open transaction of the platform."""

    async def lock_expired(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        """Due messages of these senders that have expired, locked; those that other transactions locked are skipped.

        Only a bounded number of each sender's due messages is read.
        """
        ...

    async def lock_expired_in(self, lane: DeliverLane, *, after: Place, limit: int) -> ExpiredPage:
        """The expired ones among the next `limit` due messages of a lane, locked; those locked by others
        are skipped.
        """
        ...

    async def lock_lost(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        """Claimed or started messages of these senders whose worker's lease has ended, locked, up to `limit`."""
        ...
