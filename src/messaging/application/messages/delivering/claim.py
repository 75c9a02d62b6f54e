"""Claims due messages of a lane in one transaction: fair shares, rate-limit tokens, and an attempt row for each.

A message that may have crashed its last worker is claimed alone.
"""

from collections.abc import Mapping
from datetime import timedelta
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from messaging.application import crashpoints
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.pacing.fair_share import FairShare
from messaging.application.messages.pacing.send_gate import SendGate
from messaging.application.messages.pacing.send_slots import Slot
from messaging.application.ports.due_messages import Due
from messaging.application.ports.unit_of_work import DeliveryUnitOfWork, OpenDeliveryUnitOfWork
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.projection import project
from messaging.domain.messages.unclear_sends import NOT_KNOWN

_LONGEST_ISOLATION = timedelta(seconds=2)


class Observed(Struct, frozen=True):
    """A message's state as this process last read or wrote it, without a lock, at the time `at` of this process's
    clock. A change decided on it must be written by compare-and-set.
    """

    message: MessageState
    at: float

    def by_now(self) -> MessageState:
        """The state with `now` advanced by the time since `at`, so that the time stays that of the database's clock."""
        return replace(self.message, now=self.message.now + timedelta(seconds=monotonic() - self.at))


class Claim(Struct, frozen=True):
    """A message that this process has claimed for one send, with the number of the attempt. `slot` is the slot it was
    claimed with, and `observed` its state after the claim; both are None where it was claimed alone. `ready_at` is the
    time of this process's clock since which the message was due and nothing held its sender, None if not known.
    """

    key: MessageKey
    epoch: int
    due: Due
    slot: Slot | None = None
    observed: Observed | None = None
    ready_at: float | None = None


class Claimed(Struct, frozen=True):
    """`claims` are to be sent; `maybe_poison` holds messages that were locked but not claimed, because each must be
    claimed alone.
    """

    claims: tuple[Claim, ...] = ()
    maybe_poison: tuple[Due, ...] = ()
    # Number of messages that are to be sent, or that moved otherwise: expired, or given up because their last worker's
    # lease ended.
    moved: int = 0


class _Locked(Struct, frozen=True):
    """A locked message and its change; `change` is None for a message that may be poison and for a stale dispatch. One
    that `leaves` is about to be sent, for which it needs tokens.
    """

    due: Due
    maybe_poison: bool
    change: Change | None
    leaves: bool


class ClaimDue:
    """Claims due messages. The claim is committed when the call returns; no byte has left as long as no start is
    recorded.

    Tokens are taken for rows that are locked already, so that no other worker takes tokens for the same messages, and a
    message that may not leave yet waits in Postgres and not in a worker.
    """

    def __init__(
        self,
        *,
        open_uow: OpenDeliveryUnitOfWork,
        fair_share: FairShare,
        gate: SendGate,
        terms: DeliveryTerms,
        capabilities: AccountCapabilities,
    ) -> None:
        self._open_uow = open_uow
        self._fair_share = fair_share
        self._gate = gate
        self._terms = terms
        self._capabilities = capabilities

    async def __call__(self, lane: DeliverLane, concurrency: int) -> Claimed:
        """Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            if not await uow.failovers.claims_are_open():
                return Claimed()
            throttled = [id for throttled, id in self._gate.throttled() if throttled == lane]
            quotas = await self._fair_share.quotas(uow.due_messages, lane, concurrency, throttled)
            if not quotas:
                return Claimed()
            claimed = await self._take_up(uow, lane, quotas)
            if claimed.moved:
                crashpoints.reach("claim.before_commit")
            await uow.commit()
        if claimed.moved:
            crashpoints.reach("claim.after_commit")
        return claimed

    async def alone(self, due: Due) -> Claim | None:
        """Claim one message that was put off because it may be poison. None when it has moved since, has expired, or
        may not be claimed now. Raises StoreUnavailable.
        """
        key, terms = due.message.key, self._terms
        async with self._open_uow() as uow:
            message = (await uow.lifecycles.lock([key])).get(key)
            if message is None or message.seq != due.message.seq or not await uow.failovers.claims_are_open():
                return None
            change = lifecycle.take_up(message, worker=terms.worker, lease=terms.lease)
            assert change is not None, "a message that has not moved is queued, and its dispatch is not stale"
            await uow.lifecycles.apply([change])
            crashpoints.reach("claim.before_commit")
            await uow.commit()
        crashpoints.reach("claim.after_commit")
        return Claim(key, change.epoch, replace(due, message=message)) if change.epoch > message.epoch else None

    async def _take_up(self, uow: DeliveryUnitOfWork, lane: DeliverLane, quotas: Mapping[Flow, int]) -> Claimed:
        at = monotonic()
        dues = await uow.due_messages.lock_due(lane, quotas)
        # Asked only where it matters: of a message whose worker was lost after it may have begun the request.
        lost = {
            due.message.key: await self._capabilities(due.message) for due in dues if due.message.state is State.SENDING
        }
        locked = [self._decide(due, lost.get(due.message.key, NOT_KNOWN)) for due in dues]
        ready = {due.message.key: self._ready_at(lane, due, at) for due in dues}
        admitted = await self._gate.admit(lane, [each.due for each in locked if each.leaves])
        leaving = [each for each in locked if each.due.message.key in admitted.granted]
        moving = [each for each in locked if not each.leaves] + leaving
        changes = [each.change for each in moving if each.change is not None]
        await uow.lifecycles.apply(changes)
        maybe_poison = tuple(each.due for each in leaving if each.maybe_poison)
        if stale := [each.due.message.key for each in locked if each.change is None and not each.maybe_poison]:
            await uow.dispatches.unschedule(stale)
        if admitted.waits or maybe_poison:
            isolated = {due.message.key: isolation_lease(self._terms.lease) for due in maybe_poison}
            await uow.dispatches.postpone({**admitted.waits, **isolated})
        claims = (
            Claim(
                *(change.key, change.epoch, due, admitted.granted[change.key]),
                observed=observe(due.message, change, at),
                ready_at=ready[change.key],
            )
            for due, change in ((each.due, each.change) for each in leaving)
            if change is not None
        )
        return Claimed(tuple(claims), maybe_poison, moved=len(changes))

    def _ready_at(self, lane: DeliverLane, due: Due, at: float) -> float | None:
        """Asked before tokens are taken: what this very claim gets too few of holds later messages, not these."""
        if due.due_at is None:
            return None
        return max(at - (due.message.now - due.due_at).total_seconds(), self._gate.held_until(lane, due))

    def _decide(self, due: Due, can: Capabilities) -> _Locked:
        if lifecycle.is_suspect(due.message):
            return _Locked(due, maybe_poison=True, change=None, leaves=True)
        terms = self._terms
        change = lifecycle.take_up(due.message, worker=terms.worker, lease=terms.lease, grace=terms.grace, can=can)
        leaves = change is not None and change.epoch > due.message.epoch
        return _Locked(due, maybe_poison=False, change=change, leaves=leaves)


def observe(message: MessageState, change: Change, at: float) -> Observed:
    """The state after a written change that was decided on what was observed at `at`."""
    return Observed(project(message, change, now=message.now), at)


def isolation_lease(lease: timedelta) -> timedelta:
    """How long a message that may be poison is left to the worker that found it.

    The message is not claimed meanwhile: if that worker dies of another such message first, this one is due again
    without a further claim failure, and before the lease of the other one ends.
    """
    return min(_LONGEST_ISOLATION, lease / 2)
