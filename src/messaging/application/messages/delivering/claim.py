"""Claims due messages of a lane in one transaction: fair shares, rate-limit tokens, and an attempt row for each."""

from collections.abc import Mapping, Sequence
from time import monotonic
from uuid import UUID

from msgspec import Struct

from messaging.application import crashpoints
from messaging.application.jobs import DeliverLane
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.isolate_poison import isolation_lease
from messaging.application.messages.delivering.observed import Observed, after
from messaging.application.messages.pacing.fair_share import FairShare
from messaging.application.messages.pacing.rate_limiting import RateLimiting
from messaging.application.messages.pacing.send_slots import Slot
from messaging.application.ports.due_messages import Due
from messaging.application.ports.unit_of_work import DeliveryUnitOfWork, OpenDeliveryUnitOfWork
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.messages.transitions import lifecycle


class Claimed(Struct, frozen=True):
    """`due` holds messages to send, each with its slot and the state after the claim; `maybe_poison` holds messages
    that were locked but not claimed, because each must be claimed alone.
    """

    due: tuple[tuple[Due, Slot, Observed], ...] = ()
    maybe_poison: tuple[Due, ...] = ()
    # Number of messages that are to be sent, or that moved otherwise: expired, or given up because their last worker's
    # lease ended.
    moved: int = 0


class _Draft(Struct, frozen=True):
    """A locked message and its change; `change` is None for a message that may be poison and for a stale dispatch."""

    due: Due
    poison_suspect: bool
    change: Change | None

    @property
    def leaves(self) -> bool:
        """Whether the message is about to be sent, for which it needs tokens."""
        return self.poison_suspect or (self.change is not None and self.change.epoch > self.due.message.epoch)


class ClaimDue:
    """Claims due messages. The claim is committed when the call returns; no byte has left as long as no start is
    recorded.

    Tokens are taken for rows that are locked already, so that no other worker takes tokens for the same messages, and a
    message that may not leave yet waits in Postgres and not in a worker.
    """

    def __init__(self, *, open_uow: OpenDeliveryUnitOfWork, rate_limiting: RateLimiting, terms: DeliveryTerms) -> None:
        self._open_uow = open_uow
        self._rate_limiting = rate_limiting
        self._terms = terms
        self._fair_share = FairShare(at_once=rate_limiting.at_once)

    async def __call__(self, lane: DeliverLane, concurrency: int) -> Claimed:
        """Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            if not await uow.failovers.claims_are_open():
                return Claimed()
            quotas = await self._fair_share.quotas(uow.due_messages, lane, concurrency, self._throttled(lane))
            if not quotas:
                return Claimed()
            claimed = await self._take_up(uow, lane, quotas)
            if claimed.moved:
                crashpoints.reach("claim.before_commit")
            await uow.commit()
        if claimed.moved:
            crashpoints.reach("claim.after_commit")
        return claimed

    async def _take_up(self, uow: DeliveryUnitOfWork, lane: DeliverLane, quotas: Mapping[Flow, int]) -> Claimed:
        at = monotonic()
        drafts = [self._draft(due) for due in await uow.due_messages.lock_due(lane, quotas)]
        admitted = await self._rate_limiting(lane, [builder.due for builder in drafts if builder.leaves])
        leaving = [builder for builder in drafts if builder.due.message.key in admitted.granted]
        changes = _changes([builder for builder in drafts if not builder.leaves]) + _changes(leaving)
        await uow.lifecycles.apply(changes)
        await uow.dispatches.unschedule(_stale(drafts))
        maybe_poison = tuple(builder.due for builder in leaving if builder.poison_suspect)
        apart = {due.message.key: isolation_lease(self._terms.lease) for due in maybe_poison}
        await uow.dispatches.postpone({**admitted.waits, **apart})
        due = (
            (builder.due, admitted.granted[builder.due.message.key], after(builder.due.message, builder.change, at))
            for builder in leaving
            if builder.change is not None
        )
        return Claimed(tuple(due), maybe_poison, moved=len(changes))

    def _draft(self, due: Due) -> _Draft:
        if lifecycle.is_suspect(due.message):
            return _Draft(due, poison_suspect=True, change=None)
        terms = self._terms
        change = lifecycle.take_up(due.message, worker=terms.worker, lease=terms.lease, grace=terms.grace)
        return _Draft(due, poison_suspect=False, change=change)

    def _throttled(self, lane: DeliverLane) -> list[UUID]:
        return [id for throttled, id in self._rate_limiting.throttled() if throttled == lane]


def _changes(drafts: Sequence[_Draft]) -> list[Change]:
    return [builder.change for builder in drafts if builder.change is not None]


def _stale(drafts: Sequence[_Draft]) -> list[MessageKey]:
    return [builder.due.message.key for builder in drafts if builder.change is None and not builder.poison_suspect]
