"""Hand due messages to their providers: claim, take tokens, stamp, send, write down what came of it.

Two commits are durable before the first byte of a request: the claim (with its attempt row) and the stamp. No
connection or transaction is held while a provider is being asked. Stamps and outcomes of concurrent sends share their
commits through gatherers.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic

from msgspec import Struct, field

from messaging.application import crashpoints
from messaging.application.gather import Gatherer
from messaging.application.jobs import DeliverLane
from messaging.application.messages.outgoing import Prepared, RenderOutgoing, Unrenderable
from messaging.application.messages.reconcile import ReconcileReceipts
from messaging.application.messages.suspects import SET_APART, TrySuspects
from messaging.application.ports.lifecycles import Due, SenderDue
from messaging.application.ports.providers import NotStarted, ProviderGateway
from messaging.application.ports.rate_limits import RateLimits
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, StoreUnavailable
from messaging.domain.messages import lifecycle
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import ECHO_GRACE, Priority
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import Rejected, Scope, SendResult, Sent, Throttled, Unreachable
from messaging.domain.messages.standing import MessageKey, Standing
from messaging.domain.shared.ids import AccountId, Prefix, SenderId, typeid

log = logging.getLogger(__name__)


class DeliveryTerms(Struct, frozen=True, kw_only=True):
    """`lease` covers the time from claim to stamp, `sending_lease` the provider's whole request; both are the
    database's time. `concurrency` bounds the sends under way in this process. `check_every` overrides how often the
    policies have a silent message checked.
    """

    worker: str
    batch: int = 100
    concurrency: int = 64
    lease: timedelta = timedelta(seconds=30)
    sending_lease: timedelta = timedelta(seconds=60)
    grace: lifecycle.EchoGrace = field(default_factory=lambda: ECHO_GRACE)
    check_every: timedelta | None = None


# What a priority may take of the concurrency, so that slow campaign sends never occupy an OTP's place.
_SHARE = {Priority.CRITICAL: 1.0, Priority.HIGH: 0.9, Priority.DEFAULT: 0.75, Priority.LOW: 0.5}

# How long a finished send keeps trying to write its outcome down while Postgres is away. After that the lease ends,
# and the echo has to tell what this process could not.
_OUTCOME_PATIENCE = 300.0


class _Stamp(Struct, frozen=True):
    key: MessageKey
    epoch: int


class _Concluded(Struct, frozen=True):
    key: MessageKey
    epoch: int
    account_id: AccountId
    result: SendResult
    latency_ms: int | None


class _Released(Struct, frozen=True):
    key: MessageKey
    epoch: int
    reason: str


class _Undeliverable(Struct, frozen=True):
    key: MessageKey
    epoch: int
    problem: Unrenderable


_Outcome = _Concluded | _Released | _Undeliverable


class DeliverMessages:
    """Take up what is due in a lane; the sends themselves go on after the call returns (see `drain`)."""

    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        snapshots: Snapshots,
        render: RenderOutgoing,
        gateways: Mapping[str, ProviderGateway],
        limits: RateLimits,
        reconcile: ReconcileReceipts,
        telemetry: Telemetry,
        terms: DeliveryTerms,
    ) -> None:
        self._open_uow = open_uow
        self._snapshots = snapshots
        self._render = render
        self._gateways = gateways
        self._limits = limits
        self._reconcile = reconcile
        self._telemetry = telemetry
        self._terms = terms
        self._stamps: Gatherer[_Stamp, bool] = Gatherer(self._stamp_many)
        self._outcomes: Gatherer[_Outcome, None] = Gatherer(self._write_many)
        self._under_way: set[asyncio.Task[None]] = set()
        self._reserved = 0
        self._resting: dict[SenderId, float] = {}
        self._draining = False
        self._suspects = TrySuspects(
            open_uow=open_uow, worker=terms.worker, lease=terms.lease, wait_for_place=self._one_place, begin=self._begin
        )

    async def __call__(self, lane: DeliverLane) -> int:
        """How many messages were taken up; 0 when nothing is due, allowed or wanted now. Raises StoreUnavailable."""
        places = await self._places(lane.priority)
        if places == 0:
            return 0
        self._reserved += places
        try:
            taken = await self._take_up(lane, places)
        finally:
            self._reserved -= places
        for due in taken:
            self._begin(due)
        return len(taken)

    @property
    def under_way(self) -> int:
        """Messages claimed by this process whose outcome is not written yet."""
        return len(self._under_way)

    async def drain(self) -> None:
        """Claim nothing more, give back what has not started, and wait for what has; never cancels a started send."""
        self._draining = True
        await self._suspects.stop()
        while self._under_way:
            await asyncio.wait(self._under_way)

    # --- claim ------------------------------------------------------------------------------------------------------

    async def _places(self, priority: Priority) -> int:
        """Free places for this priority; waits while less than a quarter is free, so that claims stay batches."""
        limit = max(1, int(self._terms.concurrency * _SHARE[priority]))
        enough = max(1, limit // 4)
        while not self._draining:
            free = limit - len(self._under_way) - self._reserved
            if free >= enough:
                return min(free, self._terms.batch)
            if not self._under_way:
                return 0
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        return 0

    async def _one_place(self) -> None:
        while len(self._under_way) >= self._terms.concurrency:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    async def _take_up(self, lane: DeliverLane, places: int) -> list[Due]:
        async with self._open_uow() as uow:
            waiting = await uow.lifecycles.senders_due(lane, at_most=places)
        quotas = await self._quotas(waiting, places)
        if not quotas:
            return []
        claimed: list[Due] = []
        changes: list[Change] = []
        stale: list[MessageKey] = []
        suspects: list[Due] = []
        async with self._open_uow() as uow:
            if not await uow.failovers.claims_are_open():
                return []
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
        self._suspects.add(suspects)
        return claimed

    async def _quotas(self, waiting: Sequence[SenderDue], places: int) -> list[tuple[SenderId, int]]:
        """Tokens before claims: a message that may not leave yet waits in Postgres, not in a worker."""
        now = monotonic()
        self._resting = {sender: until for sender, until in self._resting.items() if until > now}
        awake = [entry for entry in waiting if entry.sender_id not in self._resting]
        wanted = [(entry.sender_id, count, await self._speed(entry)) for entry, count in _shares(awake, places)]
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

    # --- send -------------------------------------------------------------------------------------------------------

    def _begin(self, due: Due) -> asyncio.Event:
        """Send a claimed message beside all others; the event is set once it is started or given back."""
        left_claim = asyncio.Event()
        task = asyncio.create_task(self._deliver(due, left_claim))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(lambda _: left_claim.set())
        return left_claim

    async def _deliver(self, due: Due, left_claim: asyncio.Event) -> None:
        key, epoch = due.standing.key, due.standing.epoch + 1
        crashpoints.reach("render.before_start", key.message_id)
        outgoing = await self._render(due, epoch=epoch)
        if isinstance(outgoing, Unrenderable):
            await self._write(_Undeliverable(key, epoch, outgoing))
            return
        began = monotonic()
        result = await self._send(outgoing, _Stamp(key, epoch), left_claim)
        crashpoints.reach("send.after_reply", key.message_id)
        if isinstance(result, Unrenderable):
            await self._write(_Undeliverable(key, epoch, result))
            return
        if isinstance(result, NotStarted):
            log.info("message.not_started", extra=_ids(key, epoch))
            await self._write(_Released(key, epoch, "draining" if self._draining else "fence_lost"))
            return
        latency = monotonic() - began
        if isinstance(result, Throttled) and result.scope in (Scope.SENDER, Scope.ACCOUNT):
            await self._limits.slow_down(due.standing.sender_id, result.retry_after)
        self._report(due, outgoing.provider, result, latency, epoch)
        concluded = _Concluded(key, epoch, due.standing.account_id, result, int(latency * 1000))
        await self._write(concluded)

    async def _send(
        self, prepared: Prepared, stamp: _Stamp, left_claim: asyncio.Event
    ) -> SendResult | NotStarted | Unrenderable:
        started, stamp_failed = False, False

        async def may_start() -> bool:
            nonlocal started, stamp_failed
            if self._draining:
                return False
            try:
                started = await self._stamps(stamp)
            except StoreUnavailable:
                # Whether the stamp was committed is not known, so no byte may leave; but we do know that none has.
                stamp_failed = True
            if started:
                left_claim.set()
                crashpoints.reach("send.before_first_byte", stamp.key.message_id)
            return started

        result = await self._gateways[prepared.provider].send(prepared.outgoing, may_start=may_start)
        if stamp_failed:
            return Unreachable(reason="The start could not be written down, so nothing was sent.")
        if isinstance(result, Rejected) and not started:
            # The adapter itself cannot express this content: no try could ever work.
            return Unrenderable(ProviderError(code=result.code, reason=result.reason))
        return result

    def _report(self, due: Due, provider: str, result: SendResult, latency: float, epoch: int) -> None:
        outcome = type(result).__name__.lower()
        code = None if isinstance(result, Sent) else result.code
        self._telemetry.count("attempts", provider=provider, outcome=outcome)
        self._telemetry.observe("attempt_seconds", latency, provider=provider)
        log.info(
            "message.attempted",
            extra=_ids(due.standing.key, epoch)
            | {"provider": provider, "outcome": outcome, "code": code, "ms": int(latency * 1000)},
        )

    # --- write down -------------------------------------------------------------------------------------------------

    async def _stamp_many(self, batch: Sequence[_Stamp]) -> Sequence[bool]:
        async with self._open_uow() as uow:
            standings = await uow.lifecycles.lock([stamp.key for stamp in batch])
            changes = [
                lifecycle.start(
                    standings[stamp.key],
                    epoch=stamp.epoch,
                    worker=self._terms.worker,
                    lease=self._terms.sending_lease,
                )
                if stamp.key in standings
                else None
                for stamp in batch
            ]
            await uow.lifecycles.apply([change for change in changes if change is not None])
            crashpoints.reach("stamp.before_commit")
            await uow.commit()
        crashpoints.reach("stamp.after_commit")
        return [change is not None for change in changes]

    async def _write(self, outcome: _Outcome) -> None:
        """Keep trying while Postgres is away: what a provider said is worth more than a quick end."""
        give_up_at = monotonic() + _OUTCOME_PATIENCE
        pause = 0.1
        while True:
            try:
                await self._outcomes(outcome)
                return
            except StoreUnavailable:
                if monotonic() > give_up_at:
                    log.exception("message.outcome_not_written", extra=_ids(outcome.key, outcome.epoch))
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _write_many(self, batch: Sequence[_Outcome]) -> Sequence[None]:
        async with self._open_uow() as uow:
            for wave in _waves(batch):
                standings = await uow.lifecycles.lock([outcome.key for outcome in wave])
                changes = [
                    self._decide(outcome, standings[outcome.key]) for outcome in wave if outcome.key in standings
                ]
                await uow.lifecycles.apply([change for change in changes if change is not None])
            learnt = [
                (outcome.account_id, outcome.result.provider_message_id)
                for outcome in batch
                if isinstance(outcome, _Concluded) and isinstance(outcome.result, Sent)
            ]
            await self._reconcile.match_parked(uow, learnt)
            crashpoints.reach("outcome.before_commit")
            await uow.commit()
        crashpoints.reach("outcome.after_commit")
        return [None] * len(batch)

    def _decide(self, outcome: _Outcome, standing: Standing) -> Change | None:
        match outcome:
            case _Concluded(epoch=epoch, result=result, latency_ms=latency):
                return lifecycle.conclude(
                    standing,
                    epoch=epoch,
                    result=result,
                    latency_ms=latency,
                    grace=self._terms.grace,
                    check_every=self._terms.check_every,
                )
            case _Released(epoch=epoch, reason=reason):
                return lifecycle.release(standing, epoch=epoch, reason=reason, due_at=standing.now)
            case _Undeliverable(epoch=epoch, problem=problem):
                if problem.retry_after is not None:
                    later = standing.now + problem.retry_after
                    return lifecycle.release(standing, epoch=epoch, reason=problem.error.code, due_at=later)
                return lifecycle.bury(standing, epoch=epoch, error=problem.error)


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


def _waves(batch: Sequence[_Outcome]) -> list[list[_Outcome]]:
    """Split so that no message comes twice in one set: each change is decided on what the one before left behind."""
    waves: list[dict[MessageKey, _Outcome]] = []
    for outcome in batch:
        wave = next((wave for wave in waves if outcome.key not in wave), None)
        if wave is None:
            wave = {}
            waves.append(wave)
        wave[outcome.key] = outcome
    return [list(wave.values()) for wave in waves]


def _ids(key: MessageKey, epoch: int) -> dict[str, str | int | None]:
    return {
        "tenant_id": typeid(Prefix.TENANT, key.tenant_id),
        "message_id": typeid(Prefix.MESSAGE, key.message_id),
        "attempt": epoch,
    }
