"""Writes in one transaction how exchanges of several lanes ended, and takes the next callbacks of each lane."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import random
from typing import Final

from msgspec import Struct

from messaging.application import crashpoints
from messaging.application.callbacks.delivering.claim import LEASE
from messaging.application.callbacks.delivering.outgoing import Callback, Ended
from messaging.application.callbacks.delivering.start_attempts import StartAttempts
from messaging.application.callbacks.settling.decide import Chance, Decision, Lately, decide
from messaging.application.callbacks.settling.notices import notices
from messaging.application.callbacks.settling.recorded import Recorded, finished
from messaging.application.ports.callbacks.announcements import Announcement
from messaging.application.ports.callbacks.delivering.lanes import ClaimedLane, EndpointKey, LaneChange, LockedLane
from messaging.application.ports.unit_of_work import CallbackQueueRoles, OpenCallbackQueue
from messaging.domain.callbacks.breaker import BreakerState, allowance
from messaging.domain.callbacks.disabling import may_be_due, must_be_disabled
from messaging.domain.callbacks.endpoint import DisabledReason
from messaging.domain.callbacks.verdict import End, Failed
from messaging.domain.shared.ids import CallbackEventId, Prefix, typeid

# Callbacks whose window is over that end with one failed probe.
_SWEPT: Final = 500


class Progress(Struct, frozen=True, kw_only=True):
    """What happened on a lane since it was last written: exchanges that ended, and events whose exchange goes on.

    `take` is how many more callbacks its worker has room for. `not_before` is what earlier results held the lane back
    until; the endpoint's rate holds it back for `rate_wait` seconds from now.
    """

    lane: ClaimedLane
    results: Sequence[Ended]
    busy: Sequence[CallbackEventId]
    take: int
    lately: Lately
    not_before: datetime | None = None
    rate_wait: float = 0.0


class Settled(Struct, frozen=True):
    """The callbacks that were taken besides, and until when the lane is held back.

    With `lost` it is another worker's by now, and nothing more is taken.
    """

    callbacks: Sequence[Callback] = ()
    not_before: datetime | None = None
    lost: bool = False


class SettleLanes:
    """`write` is a gatherer's: one result for each member."""

    def __init__(
        self, *, open_uow: OpenCallbackQueue, start: StartAttempts, recorded: Recorded, chance: Chance = random
    ) -> None:
        self._open = open_uow
        self._start = start
        self._recorded = recorded
        self._chance = chance

    async def write(self, batch: Sequence[Progress]) -> Sequence[Settled]:
        """Raises StoreUnavailable."""
        async with self._open() as uow:
            locked = await uow.lanes.lock({it.lane.endpoint: it.lane.epoch for it in batch})
            ours = [it for it in batch if it.lane.endpoint in locked]
            decisions = {it.lane.endpoint: await self._decide(uow, it, locked[it.lane.endpoint]) for it in ours}
            told = self._told(ours, locked, decisions)
            taken = await self._apply(uow, ours, locked, decisions)
            await uow.callback_log.finish([finished(it.lane.endpoint, one) for it in batch for one in it.results])
            await uow.callback_log.end([end for decision in decisions.values() for end in decision.ends])
            if told:
                await uow.announcements.announce(told)
            crashpoints.reach("callback_settle.before_commit")
            await uow.commit()
        crashpoints.reach("callback_settle.after_commit")
        self._recorded(batch, decisions, told)
        return [_settled(it.lane.endpoint, taken, decisions) for it in batch]

    async def _decide(self, uow: CallbackQueueRoles, it: Progress, locked: LockedLane) -> Decision:
        endpoint = it.lane.endpoint
        decision = decide(
            *(endpoint, it.lane.mode, locked, it.results),
            chance=self._chance,
            max_in_flight=it.lane.max_in_flight,
            lately=it.lately.succeeded,
        )
        if (probe := _failed_probe(it)) is not None:
            await _sweep(uow, it, decision, probe)
            if decision.disabled is None and may_be_due(decision.health, now=locked.now):
                since = decision.health.first_failure_at
                assert since is not None
                record = await uow.callback_log.failures(endpoint, since=since)
                if must_be_disabled(decision.health, record, now=locked.now):
                    decision.disabled = DisabledReason.FAILING
        if decision.disabled is not None and not await uow.callback_targets.disable(endpoint, decision.disabled):
            decision.disabled = None
        return decision

    def _told(
        self,
        ours: Sequence[Progress],
        locked: Mapping[EndpointKey, LockedLane],
        decisions: Mapping[EndpointKey, Decision],
    ) -> Sequence[Announcement]:
        told: list[Announcement] = []
        for it in ours:
            endpoint = it.lane.endpoint
            decision, before = decisions[endpoint], locked[endpoint]
            decision.health, more = notices(
                *(endpoint, it.lane.mode, before.health, decision.health),
                disabled=decision.disabled,
                now=before.now,
            )
            told += more
        return told

    async def _apply(
        self,
        uow: CallbackQueueRoles,
        ours: Sequence[Progress],
        locked: Mapping[EndpointKey, LockedLane],
        decisions: Mapping[EndpointKey, Decision],
    ) -> Mapping[EndpointKey, Sequence[Callback]]:
        changes = [_change(it, locked[it.lane.endpoint], decisions[it.lane.endpoint]) for it in ours]
        taken = await uow.lanes.apply(changes)
        return await self._start(uow, taken, probes={})


def _settled(
    endpoint: EndpointKey, taken: Mapping[EndpointKey, Sequence[Callback]], decisions: Mapping[EndpointKey, Decision]
) -> Settled:
    if endpoint not in decisions:
        return Settled(lost=True)
    return Settled(taken.get(endpoint, ()), decisions[endpoint].not_before)


def _change(it: Progress, locked: LockedLane, decision: Decision) -> LaneChange:
    if it.not_before is not None and it.not_before > locked.now:
        decision.hold_back(it.not_before)
    if it.rate_wait > 0:
        decision.hold_back(locked.now + timedelta(seconds=it.rate_wait))
    is_open = decision.health.breaker is BreakerState.OPEN
    stops = is_open or decision.disabled is not None or decision.not_before is not None
    allowed = allowance(decision.health, max_in_flight=it.lane.max_in_flight, now=locked.now) - len(it.busy)
    return LaneChange(
        endpoint=it.lane.endpoint,
        health=decision.health,
        ended=decision.ended,
        retried=decision.retried,
        not_before=decision.not_before,
        slow=is_open or it.lately.slow,
        take=0 if stops else max(min(it.take, allowed), 0),
        busy=it.busy,
        lease=LEASE,
    )


def _failed_probe(it: Progress) -> Ended | None:
    return next((one for one in it.results if one.callback.probe and isinstance(one.means, Failed)), None)


async def _sweep(uow: CallbackQueueRoles, it: Progress, decision: Decision, probe: Ended) -> None:
    """End callbacks whose window is over without an attempt of their own: the probe tells that it would fail."""
    seen = {one.callback.head.callback for one in it.results}
    cited = f"probe_failed:{typeid(Prefix.CALLBACK_ATTEMPT, probe.callback.attempt_id)}"
    for head in await uow.lanes.overdue(it.lane.endpoint, limit=_SWEPT):
        if head.callback not in seen and head.callback.event_id not in it.busy:
            decision.end(it.lane.endpoint, head, End.EXHAUSTED, attempts=head.tries, failure=cited)
