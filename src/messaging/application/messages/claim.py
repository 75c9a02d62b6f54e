"""Take up what is due in a lane: fair shares, tokens, and an attempt row for each, in one transaction."""

from collections.abc import Mapping, Sequence
from time import monotonic
from uuid import UUID

from msgspec import Struct

from messaging.application import crashpoints
from messaging.application.jobs import DeliverLane
from messaging.application.messages.admission import Admission
from messaging.application.messages.delivery_terms import DeliveryTerms
from messaging.application.messages.sighting import Sighting, after
from messaging.application.messages.slots import Slot
from messaging.application.messages.suspects import set_apart
from messaging.application.messages.turns import Turns
from messaging.application.ports.lifecycles import Due
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, SystemUnitOfWork
from messaging.domain.messages import lifecycle
from messaging.domain.messages.change import Change
from messaging.domain.messages.fairness import Flow
from messaging.domain.messages.standing import MessageKey


class Claimed(Struct, frozen=True):
    """`due` are to be sent, each in its slot, and told with where the claim left it; `suspects` were locked and set
    apart, to be tried one by one.
    """

    due: tuple[tuple[Due, Slot, Sighting], ...] = ()
    suspects: tuple[Due, ...] = ()
    # Those that are to be sent, and those that went elsewhere: expired, or given up with their last worker's lease.
    moved: int = 0


class _Draft(Struct, frozen=True):
    """What is to become of a locked message: `change` is None for a suspect and for a stale dispatch."""

    due: Due
    suspect: bool
    change: Change | None

    @property
    def leaves(self) -> bool:
        """Whether it is about to be sent, for which it needs tokens."""
        return self.suspect or (self.change is not None and self.change.epoch > self.due.standing.epoch)


class ClaimDue:
    """The claim is committed when the call returns; without a stamp, no byte has left.

    Tokens are taken for rows that are locked already: nobody else can take any for the same messages, and a message
    that may not leave yet waits in Postgres, not in a worker.
    """

    def __init__(self, *, open_uow: OpenSystemUnitOfWork, admission: Admission, terms: DeliveryTerms) -> None:
        self._open_uow = open_uow
        self._admission = admission
        self._terms = terms
        self._turns = Turns(at_once=admission.at_once)

    async def __call__(self, lane: DeliverLane, places: int) -> Claimed:
        """Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            if not await uow.failovers.claims_are_open():
                return Claimed()
            quotas = await self._turns.quotas(uow.lifecycles, lane, places, self._resting(lane))
            if not quotas:
                return Claimed()
            claimed = await self._take_up(uow, lane, quotas)
            if claimed.moved:
                crashpoints.reach("claim.before_commit")
            await uow.commit()
        if claimed.moved:
            crashpoints.reach("claim.after_commit")
        return claimed

    async def _take_up(self, uow: SystemUnitOfWork, lane: DeliverLane, quotas: Mapping[Flow, int]) -> Claimed:
        at = monotonic()
        drafts = [self._draft(due) for due in await uow.lifecycles.lock_due(lane, quotas)]
        admitted = await self._admission(lane, [draft.due for draft in drafts if draft.leaves])
        leaving = [draft for draft in drafts if draft.due.standing.key in admitted.granted]
        changes = _changes([draft for draft in drafts if not draft.leaves]) + _changes(leaving)
        await uow.lifecycles.apply(changes)
        await uow.lifecycles.withdraw(_stale(drafts))
        suspects = tuple(draft.due for draft in leaving if draft.suspect)
        apart = {due.standing.key: set_apart(self._terms.lease) for due in suspects}
        await uow.lifecycles.postpone({**admitted.waits, **apart})
        due = (
            (draft.due, admitted.granted[draft.due.standing.key], after(draft.due.standing, draft.change, at))
            for draft in leaving
            if draft.change is not None
        )
        return Claimed(tuple(due), suspects, moved=len(changes))

    def _draft(self, due: Due) -> _Draft:
        if lifecycle.is_suspect(due.standing):
            return _Draft(due, suspect=True, change=None)
        terms = self._terms
        change = lifecycle.take_up(due.standing, worker=terms.worker, lease=terms.lease, grace=terms.grace)
        return _Draft(due, suspect=False, change=change)

    def _resting(self, lane: DeliverLane) -> list[UUID]:
        return [id for resting, id in self._admission.resting() if resting == lane]


def _changes(drafts: Sequence[_Draft]) -> list[Change]:
    return [draft.change for draft in drafts if draft.change is not None]


def _stale(drafts: Sequence[_Draft]) -> list[MessageKey]:
    return [draft.due.standing.key for draft in drafts if draft.change is None and not draft.suspect]
