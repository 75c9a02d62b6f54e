"""Port for due messages of a lane: counted for each flow without locks, then locked up to a quota."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.shared.ids import TenantId


class Due(Struct, frozen=True, kw_only=True):
    """A locked message whose dispatch is due. `sealed` is its encrypted payload.

    `recipient_index` is the blind index of the recipient's address, or of the address by which the provider knows the
    recipient, where it told one. `due_at` is when the dispatch fell due; None where that is not known.
    """

    message: MessageState
    sealed: bytes
    flow_id: UUID
    recipient_index: bytes
    due_at: datetime | None = None


class View(Struct, frozen=True):
    """The part of a lane that one query reads: the next `tenants` after `behind`, and of each the next `flows`.

    `left_off` holds, by tenant, the flow after which its flows are read. Both lists are rings.
    """

    tenants: int
    flows: int
    behind: TenantId | None = None
    left_off: Mapping[TenantId, Flow] = {}


class DueMessages(Protocol):
    """Due messages of all tenants, counted and locked within an open transaction of the platform."""

    async def flows_due(
        self, lane: DeliverLane, view: View, *, concurrency: int, throttled: Collection[UUID]
    ) -> Mapping[Flow, int]:
        """The number of due `deliver` dispatches of each flow in view, in the order of the ring; takes no locks.

        A count ends at twice the flow's equal share of `concurrency`. It is zero for a flow that contains one of the
        ids in `throttled`.
        """
        ...

    async def lock_due(self, lane: DeliverLane, quotas: Mapping[Flow, int]) -> Sequence[Due]:
        """Up to `quota` due dispatches of each flow, oldest first, locked; rows locked by others are skipped.

        The messages themselves are locked too, whatever their state is by now.
        """
        ...
