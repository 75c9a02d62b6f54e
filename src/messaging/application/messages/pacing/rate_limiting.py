"""Takes rate-limit tokens for due messages, and remembers which senders, tenants and flows are throttled until when."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from math import ceil, inf
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct, field

from messaging.application.messages.pacing.send_slots import AskAgainAt, Slot
from messaging.application.ports.due_messages import Due
from messaging.application.ports.providers.descriptor import Providers
from messaging.application.ports.rate_limits import CALM_SECONDS, Bucket, RateLimits, Verdict
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.channels.limits import PairLimit, SendLimits
from messaging.domain.channels.table import CHANNELS
from messaging.domain.content.content import Text
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.pacing.fairness import NO_FLOW, Flow
from messaging.domain.shared.ids import SenderId

# How many seconds ahead slots are handed out: the time to claim a batch and record its starts, also on a busy machine.
_AHEAD: Final = 0.5
# Lower priorities may take slots less far ahead, as parts of `_AHEAD`: an urgent message then waits no longer than that
# behind others of its sender. A message that missed its slot may take one further ahead than any that has none yet.
_REACH: Final = {Priority.CRITICAL: 1.0, Priority.HIGH: 0.8, Priority.DEFAULT: 0.5, Priority.LOW: 0.4}
_REACH_OF_THE_LATE: Final = 2.0
# Fraction of the headroom (1/share - 1 seconds) for which a slot stays open; the rest of it covers the way to the
# provider. A slot stays open for at least `_OPEN_AT_LEAST` seconds.
_OPEN: Final = 0.5
_OPEN_AT_LEAST: Final = 0.02
_DAY: Final = 86_400.0
# Seconds after which a sender is looked at again whose account has used up its day: its messages may expire meanwhile.
_LONGEST_REST: Final = 30.0
# The limits of a sender whose account or provider is not known: its own alone.
_NO_LIMITS: Final = SendLimits(per_second=1)

# Seconds until a sender that is held, or has too many slow sends, is looked at again: its credentials may be new.
_HOLD: Final = 0.1
# The least number of messages asked for, for each sender, even if no token was free the last time.
_LEAST_ASKED: Final = 2
# The number of pairs of lane and sender for which it is remembered that they got too few tokens.
_MEMORY: Final = 10_000


class LimitTerms(Struct, frozen=True, kw_only=True):
    """`share` is the part of each limit that is used; a limit of None does not exist. Rates are per second."""

    share: float = 0.9
    tenant: float | None = None
    account: float | None = None
    flow: float | None = None


class Admitted(Struct, frozen=True):
    """`granted` maps messages with tokens to their slots; `waits` maps messages denied by their recipient's limit to
    the time until they may be tried again.
    """

    granted: Mapping[MessageKey, Slot] = field(default_factory=dict)
    waits: Mapping[MessageKey, timedelta] = field(default_factory=dict)


class _Limit(NamedTuple):
    """A limit of one message; `throttles` is the id whose flows are throttled when the bucket is empty, None if the
    limit concerns this message alone.
    """

    name: str
    bucket: Bucket
    throttles: UUID | None


class RateLimiting:
    """Takes tokens for a whole claim at once, and remembers per lane which senders, tenants and flows have none for
    now.
    """

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        limits: RateLimits,
        telemetry: Telemetry,
        providers: Providers,
        terms: LimitTerms | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._of_provider = {name: provider.limits for name, provider in providers.items()}
        self._limits = limits
        self._telemetry = telemetry
        self._terms = terms or LimitTerms()
        self._factors: dict[SenderId, float] = {}
        self._throttled_until: dict[tuple[DeliverLane, UUID], float] = {}
        self._held_until: dict[tuple[DeliverLane, UUID], float] = {}
        self._given_until: dict[SenderId, float] = {}
        self._got: dict[tuple[DeliverLane, SenderId], int] = {}
        self._open = max((1 / self._terms.share - 1) * _OPEN, _OPEN_AT_LEAST)

    async def admit(self, lane: DeliverLane, leaving: Sequence[Due]) -> Admitted:
        """Take the tokens of messages that are locked and about to leave."""
        limits = await self._limits_of(lane, leaving)
        granted: dict[MessageKey, Slot] = {}
        waits: dict[MessageKey, timedelta] = {}
        got: Counter[SenderId] = Counter()
        short: set[SenderId] = set()
        for due, of_message, (verdict, slot) in zip(leaving, limits, await self._take(limits), strict=True):
            if isinstance(slot, Slot):
                granted[due.message.key] = slot
                self._given_until[due.message.sender_id] = slot.opens
                got[due.message.sender_id] += 1
                continue
            assert verdict.denied_by is not None
            denied_by = of_message[verdict.denied_by]
            self._telemetry.count("sends_held_back", limit=denied_by.name)
            if denied_by.throttles is None:
                waits[due.message.key] = verdict.wait
            else:
                short.add(due.message.sender_id)
                self._throttle(lane, denied_by.throttles, verdict.wait.total_seconds(), denied_by.bucket)
        for sender in {due.message.sender_id for due in leaving}:
            if sender in short:
                self._record_got(lane, sender, got[sender])
            else:
                self._got.pop((lane, sender), None)
        return Admitted(granted, waits)

    async def again(self, late: Sequence[Due]) -> Sequence[Slot | AskAgainAt]:
        """New slots for messages that missed theirs. Recipients' limits are not charged again."""
        rates = [await self._rates(due, _REACH_OF_THE_LATE) for due in late]
        return [slot for _, slot in await self._take(rates)]

    def units(self, provider: str, channel: Channel, text: Text) -> int:
        """How many of the units that the provider's limit is counted in a text is: its segments, or one."""
        count = CHANNELS[channel].segments
        if self._of_provider.get(provider, _NO_LIMITS).unit == "message" or count is None:
            return 1
        return count(text.body).segments

    async def charge(self, due: Due, units: int) -> None:
        """Take the tokens of a rendered message that is `units` long, of which it has one.

        The message keeps its slot; those that come after it wait for that much longer.
        """
        key, sender = due.message.key, due.message.sender_id
        # Without the sender's rate nothing can be charged; the message itself is on its way already.
        with suppress(StoreUnavailable):
            bucket = await self._sender_bucket(Flow(key.tenant_id, sender, due.flow_id), _REACH[due.message.priority])
            await self._limits.charge(bucket, units - 1)

    async def _take(self, limits: Sequence[Sequence[_Limit]]) -> list[tuple[Verdict, Slot | AskAgainAt]]:
        """Take tokens and turn them into slots. The rate limiter read its clock somewhere between request and answer,
        so a slot opens counted from the answer and closes counted from the request, but not before `_OPEN_AT_LEAST`
        seconds.
        """
        asked = monotonic()
        verdicts = await self._limits.take([[limit.bucket for limit in of_message] for of_message in limits])
        answered = monotonic()
        return [(verdict, self._slot(verdict, asked, answered)) for verdict in verdicts]

    def _slot(self, verdict: Verdict, asked: float, answered: float) -> Slot | AskAgainAt:
        wait = verdict.wait.total_seconds()
        if verdict.denied_by is not None:
            return AskAgainAt(answered + wait)
        if verdict.calm:
            return Slot(answered + wait, answered + wait + CALM_SECONDS)
        return Slot(answered + wait, wait + max(asked + self._open, answered + _OPEN_AT_LEAST))

    async def left(self, lane: DeliverLane, flow: Flow, *, rate_factor: float) -> int:
        """Estimate of the sender's free slots, from what this process knows, at `rate_factor` of its rate from now on.

        Other processes may have taken more: after too few tokens the last time, at most twice that number is asked for,
        so that rows are not locked in vain. At least one is asked for, because its denial tells when to come back.
        """
        sender = flow.sender_id
        self._factors[sender] = rate_factor
        bucket = await self._sender_bucket(flow, _REACH[lane.priority])
        ahead = self._given_until.get(sender, 0.0) - monotonic()
        likely = max(_LEAST_ASKED, 2 * self._got.get((lane, sender), bucket.burst))
        return min(bucket.burst, likely, max(1, bucket.burst - ceil(ahead / bucket.interval)))

    def hold(self, lane: DeliverLane, senders: Iterable[SenderId]) -> None:
        """Throttle senders that may send nothing now for other reasons than their limits."""
        for sender in senders:
            self._hold_until(lane, sender, monotonic() + _HOLD)

    def held_until(self, lane: DeliverLane, due: Due) -> float:
        """When the message's tenant, sender or flow was last throttled until, by this process's clock; 0 if never."""
        if not self._held_until:
            return 0.0
        ids = (due.message.key.tenant_id, due.message.sender_id, due.flow_id)
        return max(self._held_until.get((lane, id), 0.0) for id in ids)

    def _hold_until(self, lane: DeliverLane, id: UUID, until: float) -> None:
        if len(self._held_until) >= _MEMORY:
            self._held_until.clear()
        self._throttled_until[lane, id] = self._held_until[lane, id] = until

    def _record_got(self, lane: DeliverLane, sender: SenderId, got: int) -> None:
        """Remember how many tokens a sender got when there were too few."""
        if len(self._got) >= _MEMORY:
            self._got.clear()
        self._got[lane, sender] = got

    def throttled(self) -> Sequence[tuple[DeliverLane, UUID]]:
        """Tenants, senders and flows that have no token in that lane yet."""
        now = monotonic()
        self._throttled_until = {what: until for what, until in self._throttled_until.items() if until > now}
        self._given_until = {sender: until for sender, until in self._given_until.items() if until > now}
        return list(self._throttled_until)

    def throttled_for(self, lane: DeliverLane) -> float:
        """Seconds until the first of the throttled ids of the lane has tokens again; infinite if none is throttled."""
        ends = (self._throttled_until[each] for each in self.throttled() if each[0] == lane)
        return min(ends, default=inf) - monotonic()

    def _throttle(self, lane: DeliverLane, id: UUID, wait: float, bucket: Bucket) -> None:
        """Throttle an id until a third of the burst is available: claims stay batches, and their slots are still far
        enough ahead.
        """
        rest = min(wait, _LONGEST_REST) if bucket.period else wait + bucket.interval * (bucket.burst // 3)
        self._hold_until(lane, id, monotonic() + rest)

    async def _limits_of(self, lane: DeliverLane, leaving: Sequence[Due]) -> Sequence[Sequence[_Limit]]:
        """The limits of each message; except for the recipient's they are the same for all messages of a flow."""
        of_flow: dict[tuple[UUID, ...], tuple[list[_Limit], PairLimit | None]] = {}
        limits: list[list[_Limit]] = []
        for due in leaving:
            message = due.message
            flow = (message.key.tenant_id, message.account_id, message.sender_id, due.flow_id)
            if (known := of_flow.get(flow)) is None:
                provided = await self._provided(due)
                rates = await self._rates(due, _REACH[lane.priority])
                if provided.per_day is not None:
                    rates.append(self._day(due, provided.per_day))
                known = of_flow[flow] = (rates, provided.per_pair)
            rates, pair = known
            limits.append(rates if pair is None else [*rates, self._pair_limit(due, pair)])
        return limits

    async def _provided(self, due: Due) -> SendLimits:
        """The limits of the provider that the message leaves by."""
        facts = await self._snapshots.tenant(due.message.key.tenant_id)
        account = facts.accounts.get(due.message.account_id) if facts else None
        return _NO_LIMITS if account is None else self._of_provider.get(account.provider, _NO_LIMITS)

    def _pair_limit(self, due: Due, pair: PairLimit) -> _Limit:
        share, interval = self._terms.share, pair.interval.total_seconds()
        bucket = Bucket(
            key=f"pair:{due.message.sender_id}:{due.recipient_index.hex()}",
            interval=interval / share,
            burst=max(1, int(pair.burst * share)),
            window=interval * share,
        )
        return _Limit("pair", bucket, None)

    def _day(self, due: Due, per_day: int) -> _Limit:
        """The account's limit for any 24 hours. Dispatches do not name the account, so the sender is throttled."""
        most = max(1, int(per_day * self._terms.share))
        bucket = Bucket(key=f"day:{due.message.account_id}", interval=_DAY / most, burst=most, period=_DAY)
        return _Limit("day", bucket, due.message.sender_id)

    async def _rates(self, due: Due, reach: float) -> list[_Limit]:
        key, account, sender = due.message.key, due.message.account_id, due.message.sender_id
        terms, flow = self._terms, Flow(key.tenant_id, sender, due.flow_id)
        limits = [_Limit("sender", await self._sender_bucket(flow, reach), sender)]
        if terms.tenant is not None:
            limits.append(_Limit("tenant", self._bucket(f"tenant:{key.tenant_id}", terms.tenant, reach), key.tenant_id))
        if terms.account is not None:
            # Dispatches do not name the account, so the sender is throttled instead.
            limits.append(_Limit("account", self._bucket(f"account:{account}", terms.account, reach), sender))
        if terms.flow is not None and due.flow_id != NO_FLOW:
            limits.append(_Limit("flow", self._bucket(f"flow:{due.flow_id}", terms.flow, reach), due.flow_id))
        return limits

    async def _sender_bucket(self, flow: Flow, reach: float) -> Bucket:
        facts = await self._snapshots.tenant(flow.tenant_id)
        sender = facts.senders.get(flow.sender_id) if facts else None
        per_second = float(sender.per_second) if sender else 1.0
        return self._bucket(f"sender:{flow.sender_id}", per_second * self._factors.get(flow.sender_id, 1.0), reach)

    def _bucket(self, key: str, per_second: float, reach: float) -> Bucket:
        """A bucket whose tokens are slots. Because messages leave only in their slots, the size of the burst does not
        change the rate that the provider sees.
        """
        used = per_second * self._terms.share
        return Bucket(key=key, interval=1 / used, burst=max(1, int(used * _AHEAD * reach + 1e-6)))
