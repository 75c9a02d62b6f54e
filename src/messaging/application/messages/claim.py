"""Take up what is due in a lane: fair shares, tokens, then one transaction that claims with an attempt row each."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from messaging.application import crashpoints
from messaging.application.jobs import DeliverLane
from messaging.application.messages.delivery_terms import DeliveryTerms
from messaging.application.messages.guard_senders import Admission, GuardSenders
from messaging.application.messages.suspects import SET_APART
from messaging.application.ports.lifecycles import Due, SenderDue
from messaging.application.ports.rate_limits import RateLimits
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.domain.messages import lifecycle
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import Priority
from messaging.domain.messages.standing import MessageKey
from messaging.domain.shared.ids import SenderId


class Claimed(Struct, frozen=True):
    """`due` are to be sent now; `suspects` were locked and set apart, to be tried one by one."""

    due: tuple[Due, ...] = ()
    suspects: tuple[Due, ...] = ()


class ClaimDue:
    """The claim is committed when the call returns; without a stamp, no byte has left."""

    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        snapshots: Snapshots,
        limits: RateLimits,
        guard: GuardSenders,
        is_stuck: Callable[[SenderId, Priority], bool],
        terms: DeliveryTerms,
    ) -> None:
        self._open_uow = open_uow
        self._snapshots = snapshots
        self._limits = limits
        self._guard = guard
        self._is_stuck = is_stuck
        self._terms = terms
        self._resting: dict[SenderId, float] = {}

    async def __call__(self, lane: DeliverLane, places: int) -> Claimed:
        """Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            waiting = await uow.lifecycles.senders_due(lane, at_most=places)
        moving = [entry for entry in waiting if not self._is_stuck(entry.sender_id, lane.priority)]
        quotas = await self._quotas(moving, places)
        if not quotas:
            return Claimed()
        claimed: list[Due] = []
        changes: list[Change] = []
        stale: list[MessageKey] = []
        suspects: list[Due] = []
        async with self._open_uow() as uow:
            if not await uow.failovers.claims_are_open():
                return Claimed()
            for due in await uow.lifecycles.lock_due(lane, quotas):
                if lifecycle.is_suspect(due.standing):
                    suspects.append(due)
                    continue
                change = lifecycle.take_up(
                    due.standing, worker=self._terms.worker, lease=self._terms.lease, grace=self._terms.grace
                )
                if change is None:
                    stale.append(due.standing.key)
                    continue
                changes.append(change)
                if change.epoch > due.standing.epoch:
                    claimed.append(due)
            await uow.lifecycles.apply(changes)
            await uow.lifecycles.withdraw(stale)
            await uow.lifecycles.postpone([due.standing.key for due in suspects], SET_APART)
            crashpoints.reach("claim.before_commit")
            await uow.commit()
        crashpoints.reach("claim.after_commit")
        return Claimed(tuple(claimed), tuple(suspects))

    async def _quotas(self, waiting: Sequence[SenderDue], places: int) -> list[tuple[SenderId, int]]:
        """Tokens before claims: a message that may not leave yet waits in Postgres, not in a worker."""
        now = monotonic()
        self._resting = {sender: until for sender, until in self._resting.items() if until > now}
        awake = [entry for entry in waiting if entry.sender_id not in self._resting]
        admitted = await self._guard.admit({entry.sender_id: entry.tenant_id for entry in awake})
        wanted = [
            (entry.sender_id, count, admitted[entry.sender_id].rate_factor * await self._speed(entry))
            for entry, count in _shares(_bounded(awake, admitted), places)
        ]
        if not wanted:
            return []
        allowed = await self._limits.take(wanted)
        for sender, allowance in allowed.items():
            if allowance.retry_after > timedelta(0):
                self._resting[sender] = now + allowance.retry_after.total_seconds()
        return [(sender, allowance.granted) for sender, allowance in allowed.items() if allowance.granted]

    async def _speed(self, entry: SenderDue) -> float:
        facts = await self._snapshots.tenant(entry.tenant_id)
        sender = facts.senders.get(entry.sender_id) if facts else None
        return float(sender.per_second) if sender else 1.0


def _bounded(waiting: Sequence[SenderDue], admitted: Mapping[SenderId, Admission]) -> list[SenderDue]:
    """No more of each than its health allows; the held ones drop out."""
    bounds = [(entry, admitted[entry.sender_id].places) for entry in waiting]
    counts = [(entry, entry.count if bound is None else min(bound, entry.count)) for entry, bound in bounds]
    return [replace(entry, count=count) for entry, count in counts if count]


def _shares(waiting: Sequence[SenderDue], places: int) -> list[tuple[SenderDue, int]]:
    """Equal shares of the places; what those with little do not need goes to the others (max-min fairness)."""
    shares: list[tuple[SenderDue, int]] = []
    modest_first = sorted(waiting, key=lambda entry: entry.count)
    for position, entry in enumerate(modest_first):
        # With more senders than places the last ones get theirs: `waiting` comes in no order that repeats.
        count = min(entry.count, places // (len(modest_first) - position))
        if count:
            places -= count
            shares.append((entry, count))
    return shares
