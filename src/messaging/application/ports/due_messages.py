"""Port for due messages of a lane: counted for each flow without locks, then locked up to a quota."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from messaging.application.jobs import DeliverLane
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.shared.ids import TenantId


class Due(Struct, frozen=True, kw_only=True):
    """A message whose dispatch is due, locked. `sealed` is its encrypted payload.

    `recipient_index` tells whom it is for: the name that the provider uses for them, where it told another.
    """

    message: MessageState
    sealed: bytes
    flow_id: UUID
    recipient_index: bytes


class View(Struct, frozen=True):
    """How much of a lane is looked at: `tenants`, behind the one named, and `flows` of each, behind those named."""

    tenants: int
    flows: int
    behind: TenantId | None = None
    left_off: Mapping[TenantId, Flow] = {}


class DueMessages(Protocol):
    """Bound to an open transaction of the platform."""

    async def flows_due(
        self, lane: DeliverLane, view: View, *, concurrency: int, throttled: Collection[UUID]
    ) -> Mapping[Flow, int]:
        """Every flow in view, in turn, with a count of its `deliver` dispatches that are due; takes no locks.

        Counts end at twice a fair share of the places, and are zero for flows of which an id is among `throttled`.
        """
        ...

    async def lock_due(self, lane: DeliverLane, quotas: Mapping[Flow, int]) -> Sequence[Due]:
        """Up to `quota` due dispatches of each flow, oldest first, locked; rows locked by others are skipped.

        The messages themselves are locked too, whatever their state is by now.
        """
        ...
