"""Which due messages may leave now? A token from each of their limits, and a rest where there is none."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from math import inf
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct, field

from messaging.application.jobs import DeliverLane
from messaging.application.messages.guard_senders import GuardSenders
from messaging.application.ports.lifecycles import Due
from messaging.application.ports.rate_limits import Bucket, RateLimits
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.domain.messages.fairness import NO_FLOW, Flow
from messaging.domain.messages.message import Priority
from messaging.domain.messages.standing import MessageKey
from messaging.domain.shared.address import Channel
from messaging.domain.shared.ids import SenderId

# Below its limit a sender has this much of its burst, so that an urgent message finds a token left by the others.
_BURST: Final = {Priority.CRITICAL: 1.0, Priority.HIGH: 0.85, Priority.DEFAULT: 0.7, Priority.LOW: 0.5}
# Meta: one message every 6 seconds to one person, or up to 45 within 6 seconds borrowed from the time after.
_PAIR_INTERVAL: Final = 6.0
_PAIR_BURST: Final = 45

# Seconds until a sender that is held or stuck is looked at again: its credentials may be new.
_HOLD: Final = 0.1


class LimitTerms(Struct, frozen=True, kw_only=True):
    """`share` is the part of each limit that is used; a limit of None does not exist. Rates are per second."""

    share: float = 0.9
    tenant: float | None = None
    account: float | None = None
    flow: float | None = None


class Admitted(Struct, frozen=True):
    """Who has its tokens, and when it leaves by this process's clock; and who is to come back when, because its
    recipient's limit says so.
    """

    granted: Mapping[MessageKey, float] = field(default_factory=dict)
    waits: Mapping[MessageKey, timedelta] = field(default_factory=dict)


class _Limit(NamedTuple):
    """`rests` is whose flows pause when the bucket is empty; None if it is a matter of this message alone."""

    name: str
    bucket: Bucket
    rests: UUID | None


class Admission:
    """Asks for tokens once for a whole claim, and remembers per lane who is known to have none for now."""

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        limits: RateLimits,
        guard: GuardSenders,
        is_stuck: Callable[[SenderId, Priority], bool],
        terms: LimitTerms,
        telemetry: Telemetry,
    ) -> None:
        self._snapshots = snapshots
        self._limits = limits
        self._guard = guard
        self._is_stuck = is_stuck
        self._factors: dict[SenderId, float] = {}
        self._terms = terms
        self._telemetry = telemetry
        self._rests: dict[tuple[DeliverLane, UUID], float] = {}

    async def __call__(self, lane: DeliverLane, leaving: Sequence[Due]) -> Admitted:
        limits = [await self._limits_of(lane, due) for due in leaving]
        verdicts = await self._limits.take([[limit.bucket for limit in of_message] for of_message in limits])
        now = monotonic()
        granted: dict[MessageKey, float] = {}
        waits: dict[MessageKey, timedelta] = {}
        for due, of_message, verdict in zip(leaving, limits, verdicts, strict=True):
            if verdict.denied_by is None:
                granted[due.standing.key] = now + verdict.wait.total_seconds()
                continue
            denied_by = of_message[verdict.denied_by]
            self._telemetry.count("sends_held_back", limit=denied_by.name)
            if denied_by.rests is None:
                waits[due.standing.key] = verdict.wait
            else:
                self._rest(lane, denied_by.rests, verdict.wait.total_seconds(), denied_by.bucket)
        return Admitted(granted, waits)

    async def at_once(self, lane: DeliverLane, flows: Iterable[Flow]) -> Mapping[SenderId, int]:
        """The most that each sender could be granted now, by its health and its limit: no more need be locked."""
        senders = {flow.sender_id: flow for flow in flows}
        stuck = {sender for sender in senders if self._is_stuck(sender, lane.priority)}
        health = await self._guard.admit(
            {sender: flow.tenant_id for sender, flow in senders.items() if sender not in stuck}
        )
        self._factors.update((sender, admitted.rate_factor) for sender, admitted in health.items())
        most = dict.fromkeys(stuck, 0)
        for sender, admitted in health.items():
            burst = (await self._sender_bucket(lane, senders[sender])).burst
            most[sender] = burst if admitted.places is None else min(burst, admitted.places)
        self._rests.update(((lane, sender), monotonic() + _HOLD) for sender, places in most.items() if places == 0)
        return most

    def resting(self) -> Sequence[tuple[DeliverLane, UUID]]:
        """Tenants, senders and flows that have no token in that lane yet."""
        now = monotonic()
        self._rests = {rest: until for rest, until in self._rests.items() if until > now}
        return list(self._rests)

    def rest_of(self, lane: DeliverLane) -> float:
        """Seconds until the first of those that rest in the lane has tokens again; infinite if none does."""
        ends = (self._rests[rest] for rest in self.resting() if rest[0] == lane)
        return min(ends, default=inf) - monotonic()

    def _rest(self, lane: DeliverLane, id: UUID, wait: float, bucket: Bucket) -> None:
        """Until half a burst has gathered, so that claims stay batches and no token is lost above the whole."""
        self._rests[lane, id] = monotonic() + wait + bucket.interval * (bucket.burst // 2)

    async def _limits_of(self, lane: DeliverLane, due: Due) -> Sequence[_Limit]:
        key, account, sender = due.standing.key, due.standing.account_id, due.standing.sender_id
        terms, flow = self._terms, Flow(key.tenant_id, sender, due.flow_id)
        limits = [_Limit("sender", await self._sender_bucket(lane, flow), sender)]
        if terms.tenant is not None:
            limits.append(_Limit("tenant", self._bucket(lane, f"tenant:{key.tenant_id}", terms.tenant), key.tenant_id))
        if terms.account is not None:
            # Dispatches do not name the account, so it is the sender that rests.
            limits.append(_Limit("account", self._bucket(lane, f"account:{account}", terms.account), sender))
        if terms.flow is not None and due.flow_id != NO_FLOW:
            limits.append(_Limit("flow", self._bucket(lane, f"flow:{due.flow_id}", terms.flow), due.flow_id))
        if lane.channel is Channel.WHATSAPP:
            limits.append(_Limit("pair", self._pair(f"pair:{sender}:{due.recipient_index.hex()}"), None))
        return limits

    async def _sender_bucket(self, lane: DeliverLane, flow: Flow) -> Bucket:
        facts = await self._snapshots.tenant(flow.tenant_id)
        sender = facts.senders.get(flow.sender_id) if facts else None
        per_second = float(sender.per_second) if sender else 1.0
        return self._bucket(lane, f"sender:{flow.sender_id}", per_second * self._factors.get(flow.sender_id, 1.0))

    def _bucket(self, lane: DeliverLane, key: str, per_second: float) -> Bucket:
        """What the share leaves is how far ahead tokens are handed out. They leave at the pace of the share, so what it
        leaves is there for delays on the way, which let messages arrive closer to each other than they left.
        """
        share = self._terms.share
        burst = int(per_second * (1 - share) * _BURST[lane.priority] + 1e-6)
        return Bucket(key=key, interval=1 / (per_second * share), burst=max(1, burst))

    def _pair(self, key: str) -> Bucket:
        share = self._terms.share
        return Bucket(
            key=key,
            interval=_PAIR_INTERVAL / share,
            burst=int(_PAIR_BURST * share),
            window=_PAIR_INTERVAL * share,
        )
