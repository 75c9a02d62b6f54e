"""Port through which messages change: lock states, let the domain decide, write the changes in bulk."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from messaging.application.jobs import DeliverLane
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import DispatchKind, MessageKey, MessageState
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.messages.transitions.negative_evidence import Evidence
from messaging.domain.shared.ids import AccountId, SenderId, TenantId


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


class AttemptRef(Struct, frozen=True, kw_only=True):
    key: MessageKey
    epoch: int


class Lifecycles(Protocol):
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

    async def lock_waits_over(self, limit: int) -> Sequence[MessageState]:
        """Messages whose `resolve_unknown` dispatch is due, locked; rows locked by others are skipped."""
        ...

    async def lock_for_polling(self, limit: int) -> Sequence[MessageState]:
        """The same for messages whose `poll_status` dispatch is due."""
        ...

    async def later_receipts(self, waiting: Sequence[MessageState], *, enough: int) -> Mapping[SenderId, Evidence]:
        """What was heard of each sender since its last attempt among `waiting` began; counts up to `enough`.

        One answer for all messages of a sender: what came after the last of them came after all. Attempts that never
        began are left out.
        """
        ...

    async def lock(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, MessageState]:
        """Lock messages in key order (so that two batches cannot deadlock); unknown keys are left out."""
        ...

    async def apply(self, changes: Sequence[Change]) -> None:
        """Write changes of rows locked in this transaction, at most one per message.

        Raises StaleChange when a compare-and-set on `seq` is lost.
        """
        ...

    async def unschedule(self, keys: Sequence[MessageKey]) -> None:
        """Delete stale dispatches."""
        ...

    async def postpone(
        self, waits: Mapping[MessageKey, timedelta], *, kind: DispatchKind = DispatchKind.DELIVER
    ) -> None:
        """Let dispatches of this kind of locked messages be due so much later than now; nothing else changes."""
        ...

    async def find_attempts(
        self, provider_ids: Sequence[tuple[AccountId, str]]
    ) -> Mapping[tuple[AccountId, str], AttemptRef]:
        """Which attempts the provider's message ids belong to; unknown ids are left out."""
        ...

    async def failed_attempts(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, int]:
        """The newest attempt of each locked message that had failed when a person sent it again; most have none."""
        ...

    async def lanes_with_work(
        self, kinds: Sequence[DispatchKind], *, throttled: Collection[tuple[DeliverLane, UUID]] = ()
    ) -> Sequence[DispatchKind | DeliverLane]:
        """Lanes that have something due now: a `DeliverLane` for `deliver`, the kind itself for the others.

        What is due in flows of which an id rests in that lane does not count.
        """
        ...


class OptimisticWrites(Protocol):
    """What can be done without locking messages first: each call is a transaction by itself, and a single round trip.

    Raises StoreUnavailable; then it is not known what was written.
    """

    async def write(self, changes: Sequence[Change]) -> AbstractSet[MessageKey]:
        """Write changes of different messages, each wholly or not at all; returns those that are written, durably.

        The others have moved since they were decided on, or need more than this; they are for `Lifecycles.apply`.
        """
        ...

    async def any_parked(self, learnt: Sequence[tuple[AccountId, str]]) -> bool:
        """Whether a receipt with one of these provider ids is parked."""
        ...


class StaleChange(Exception):
    """A change was decided on a standing that is no longer true; nothing of the batch was written."""


class LaneDepth(Struct, frozen=True, kw_only=True):
    """`oldest_due_at` is None when nothing is due; `due` counts what should be leaving now, `waiting` the rest."""

    lane: DeliverLane
    due: int
    waiting: int
    oldest_due_at: datetime | None
