"""Delivers due messages: claims them, records the start of each send, calls the provider, records the outcome.

Two commits precede the first byte of a request: the claim (with its attempt row) and the start. No connection or
transaction is held during the provider call. Starts and outcomes of concurrent sends share commits through gatherers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from uuid import UUID

from msgspec import Struct

from messaging.application import crashpoints
from messaging.application.contacts.learn_aliases import Told
from messaging.application.gather import Gatherer
from messaging.application.jobs import DeliverLane
from messaging.application.messages.delivering.claim import ClaimDue
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.isolate_poison import IsolatePoison
from messaging.application.messages.delivering.observed import Observed, after
from messaging.application.messages.delivering.outgoing import Prepared, RenderOutgoing, Unrenderable
from messaging.application.messages.delivering.record_outcomes import (
    Concluded,
    Released,
    Undeliverable,
    WriteOutcomes,
    attempt_ids,
)
from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.messages.pacing.concurrency_limit import ConcurrencyLimit
from messaging.application.messages.pacing.rate_limiting import LimitTerms, RateLimiting
from messaging.application.messages.pacing.send_slots import Slot, Slots, Turn
from messaging.application.messages.pacing.slow_sends import SlowSends
from messaging.application.messages.pacing.slow_start import SlowStart
from messaging.application.messages.tracking.reconcile import ReconcileReceipts
from messaging.application.ports.contact_aliases import AliasSource
from messaging.application.ports.due_messages import Due
from messaging.application.ports.optimistic_writes import OptimisticWrites
from messaging.application.ports.providers import NotStarted, Outgoing, ProviderGateway
from messaging.application.ports.rate_limits import RateLimits
from messaging.application.ports.send_journal import JournalEntry, NoSendJournal, SendJournal
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenDeliveryUnitOfWork, StoreUnavailable
from messaging.domain.channels.identity import other_name
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import Rejected, SendResult, Sent, Uncertain, Unreachable
from messaging.domain.messages.transitions import lifecycle

log = logging.getLogger(__name__)

_BROKE_BEFORE = Unreachable(code="internal_error", reason="An error in this platform kept it from being sent.")
_BROKE_IN_FLIGHT = Uncertain(code="internal_error", reason="An error in this platform lost the provider's answer.")


LearnAlias = Callable[[Told], Awaitable[None]]


class _Stamp(Struct):
    """`claimed` is where the claim left the message, unless that is not known here; `left` where the stamp did."""

    key: MessageKey
    epoch: int
    entry: JournalEntry
    claimed: Observed | None
    left: Observed | None = None


class DeliverMessages:
    """Take up what is due in a lane; the sends themselves go on after the call returns (see `drain`)."""

    def __init__(
        self,
        *,
        open_uow: OpenDeliveryUnitOfWork,
        optimistic_writes: OptimisticWrites,
        snapshots: Snapshots,
        render: RenderOutgoing,
        gateways: Mapping[str, ProviderGateway],
        limits: RateLimits,
        breakers: CircuitBreakers,
        reconcile: ReconcileReceipts,
        telemetry: Telemetry,
        terms: DeliveryTerms,
        limit_terms: LimitTerms | None = None,
        journal: SendJournal | None = None,
        learn_alias: LearnAlias | None = None,
    ) -> None:
        self._open_uow = open_uow
        self._optimistic_writes = optimistic_writes
        self._render = render
        self._gateways = gateways
        self._breakers = breakers
        self._telemetry = telemetry
        self._terms = terms
        self._journal = journal or NoSendJournal()
        self._learn_alias = learn_alias
        self._concurrency = ConcurrencyLimit(concurrency=terms.concurrency, batch=terms.batch)
        self._slow = SlowSends(
            concurrency=terms.concurrency, give_back=self._concurrency.give_back, slow_after=terms.slow_after
        )
        self._slow_start = SlowStart(most=terms.concurrency)
        self._rate_limiting = RateLimiting(
            snapshots=snapshots,
            limits=limits,
            breakers=breakers,
            is_stuck=self._slow.are_too_many,
            terms=limit_terms or LimitTerms(),
            telemetry=telemetry,
        )
        self._slots = Slots(again=self._rate_limiting.again, telemetry=telemetry)
        self._claim = ClaimDue(open_uow=open_uow, rate_limiting=self._rate_limiting, terms=terms)
        self._stamps: Gatherer[_Stamp, Observed | None] = Gatherer(self._stamp_as_claimed, writers=1)
        self._stamps_under_lock: Gatherer[_Stamp, Observed | None] = Gatherer(self._stamp_under_lock, writers=1)
        self._write = WriteOutcomes(
            open_uow=open_uow, optimistic_writes=optimistic_writes, reconcile=reconcile, terms=terms
        )
        self._isolate_poison = IsolatePoison(
            open_uow=open_uow,
            worker=terms.worker,
            lease=terms.lease,
            wait_for_place=self._concurrency.wait_for_one,
            begin=self._begin,
        )

    async def __call__(self, lane: DeliverLane) -> int:
        """How many messages were taken up; 0 when nothing is due, allowed or wanted now. Raises StoreUnavailable."""
        async with self._concurrency.reserved(lane.priority) as concurrency:
            if concurrency == 0:
                return 0
            claimed = await self._claim(lane, concurrency)
            self._isolate_poison.add(claimed.maybe_poison)
            for due, slot, observed in claimed.due:
                self._begin(due, slot, observed)
        return len(claimed.due)

    def throttled(self) -> Sequence[tuple[DeliverLane, UUID]]:
        """Tenants, senders and flows that are known to have no token in that lane yet: no reason to come back."""
        return self._rate_limiting.throttled()

    def rest_of(self, lane: DeliverLane) -> float:
        """Seconds until the first of those that rest in the lane has tokens again; infinite if none does."""
        return self._rate_limiting.rest_of(lane)

    @property
    def under_way(self) -> int:
        """Messages claimed by this process whose outcome is not written yet."""
        return self._concurrency.taken

    async def drain(self) -> None:
        """Claim nothing more, give back what has not started, and wait for what has; never cancels a started send."""
        self._concurrency.close()
        await self._isolate_poison.stop()
        await self._concurrency.wait_for_all()

    # --- send -------------------------------------------------------------------------------------------------------

    def _begin(self, due: Due, slot: Slot | None = None, claimed: Observed | None = None) -> asyncio.Event:
        """Send a claimed message beside all others; the event is set once it is started or given back."""
        left_claim = asyncio.Event()
        turn = self._slots.turn(due, slot)
        task = asyncio.create_task(self._deliver(due, claimed, left_claim, turn))
        self._concurrency.take(task, due.message.priority)
        self._slow.watch(task, due.message.sender_id, due.message.priority)
        task.add_done_callback(lambda _: left_claim.set())
        task.add_done_callback(lambda _: turn.end())
        return left_claim

    async def _deliver(self, due: Due, claimed: Observed | None, left_claim: asyncio.Event, turn: Turn) -> None:
        if pause := turn.pause:
            await self._wait_aside(due, pause)
        key, epoch = due.message.key, due.message.epoch + 1
        crashpoints.reach("render.before_start", key.message_id)
        try:
            outgoing = await self._render(due, epoch=epoch)
        except StoreUnavailable:
            # Its tenant's configuration cannot be read now. Left to its lease, it would count as a failure of its own.
            await self._write(Released(key, epoch, "store_unavailable"))
            return
        if isinstance(outgoing, Unrenderable):
            await self._write(Undeliverable(key, epoch, outgoing))
            return
        entry = self._journal.board(key, epoch, due.message.account_id)
        try:
            await self._fly(due, outgoing, _Stamp(key, epoch, entry, claimed), left_claim, turn)
        finally:
            entry.end()

    async def _fly(self, due: Due, outgoing: Prepared, stamp: _Stamp, left_claim: asyncio.Event, turn: Turn) -> None:
        key, epoch = stamp.key, stamp.epoch
        departure = await self._slow_start.enter(due.message.account_id, due.message.priority)
        turn.get_ready()
        began, result = monotonic(), None
        try:
            result = await self._send(outgoing, stamp, left_claim, turn)
        finally:
            departure.ended(_was_clear(result))
        crashpoints.reach("send.after_reply", key.message_id)
        if isinstance(result, Unrenderable):
            await self._write(Undeliverable(key, epoch, result))
            return
        if isinstance(result, NotStarted):
            log.info("message.not_started", extra=attempt_ids(key, epoch))
            await self._write(Released(key, epoch, "draining" if self._concurrency.closed else "fence_lost"))
            return
        if not isinstance(result, Sent):
            stamp.entry.land(result)
        # Counted from the first byte where there was one: the provider is not to blame for what came before.
        began = began if turn.left_at is None else turn.left_at
        latency = monotonic() - began
        self._report(due, outgoing.provider, result, latency, epoch)
        concluded = Concluded(key, epoch, due.message.account_id, result, int(latency * 1000), stamp.left)
        # First of all: until it is written down, only this process knows it, and a refusal has no echo.
        await self._write(concluded)
        await self._breakers.learn(due.message, result, began_ago=monotonic() - began)
        if isinstance(result, Sent) and result.recipient_id is not None:
            await self._learn_name(due, outgoing.outgoing, result.recipient_id)

    async def _learn_name(self, due: Due, outgoing: Outgoing, named: str) -> None:
        """The provider may know the person under another number than the one it was given."""
        canonical = other_name(outgoing.recipient, named)
        if canonical is None or self._learn_alias is None:
            return
        told = Told(
            tenant_id=due.message.key.tenant_id,
            mode=outgoing.connection.mode,
            channel=due.message.channel,
            alias=outgoing.recipient.value,
            canonical=canonical,
            source=AliasSource.ANSWER,
        )
        await self._learn_alias(told)

    async def _wait_aside(self, due: Due, pause: float) -> None:
        send = asyncio.current_task()
        assert send is not None
        with self._concurrency.lent(send, due.message.priority):
            await asyncio.sleep(pause)

    async def _send(
        self, prepared: Prepared, stamp: _Stamp, left_claim: asyncio.Event, turn: Turn
    ) -> SendResult | NotStarted | Unrenderable:
        stamp_failed, may_leave = False, False

        async def may_start() -> bool:
            nonlocal stamp_failed, may_leave
            if self._concurrency.closed:
                return False
            try:
                stamp.left = await self._stamp(stamp)
            except StoreUnavailable:
                # Whether the stamp was committed is not known, so no byte may leave; but we do know that none has.
                stamp_failed = True
            if stamp.left is not None:
                left_claim.set()
                with suppress(StoreUnavailable):
                    may_leave = await turn.wait()
            if may_leave:
                stamp.entry.depart()
                crashpoints.reach("send.before_first_byte", stamp.key.message_id)
            return may_leave

        try:
            result = await self._gateways[prepared.provider].send(prepared.outgoing, may_start=may_start)
        except Exception:  # the message must not wait for the end of its lease because of a bug of ours
            log.exception("message.send_broke", extra=attempt_ids(stamp.key, stamp.epoch))
            return _BROKE_IN_FLIGHT if may_leave else _BROKE_BEFORE
        if stamp_failed:
            reason = "The start could not be written down, so nothing was sent."
            return Unreachable(code="start_not_written", reason=reason)
        if stamp.left is not None and not may_leave:
            return Unreachable(code="no_slot", reason="No time within its sender's limit was left soon enough.")
        if isinstance(result, Rejected) and stamp.left is None:
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
            extra=attempt_ids(due.message.key, epoch)
            | {"provider": provider, "outcome": outcome, "code": code, "ms": int(latency * 1000)},
        )

    # --- stamp ------------------------------------------------------------------------------------------------------

    async def _stamp(self, stamp: _Stamp) -> Observed | None:
        """Where the stamp leaves the message; None if the fence is lost. Raises StoreUnavailable.

        Nearly always nothing has happened to it since its claim; else it is locked and looked at.
        """
        observed = None if stamp.claimed is None else await self._stamps(stamp)
        return observed or await self._stamps_under_lock(stamp)

    async def _stamp_as_claimed(self, batch: Sequence[_Stamp]) -> Sequence[Observed | None]:
        at = monotonic()
        messages = [None if stamp.claimed is None else self._still_held(stamp.claimed) for stamp in batch]
        changes = [self._start(stamp, message) for stamp, message in zip(batch, messages, strict=True)]
        crashpoints.reach("stamp.before_commit")
        written = await self._optimistic_writes.write([change for change in changes if change is not None])
        crashpoints.reach("stamp.after_commit")
        return [
            after(message, change, at) if message and change and stamp.key in written else None
            for stamp, message, change in zip(batch, messages, changes, strict=True)
        ]

    async def _stamp_under_lock(self, batch: Sequence[_Stamp]) -> Sequence[Observed | None]:
        at = monotonic()
        async with self._open_uow() as uow:
            locked = await uow.lifecycles.lock([stamp.key for stamp in batch])
            messages = [locked.get(stamp.key) for stamp in batch]
            changes = [self._start(stamp, message) for stamp, message in zip(batch, messages, strict=True)]
            await uow.lifecycles.apply([change for change in changes if change is not None])
            crashpoints.reach("stamp.before_commit")
            await uow.commit()
        crashpoints.reach("stamp.after_commit")
        return [
            after(message, change, at) if message and change else None
            for message, change in zip(messages, changes, strict=True)
        ]

    def _still_held(self, claimed: Observed) -> MessageState | None:
        """None if the lease may have ended since."""
        message = claimed.by_now()
        return message if message.now < claimed.message.now + self._terms.lease else None

    def _start(self, stamp: _Stamp, message: MessageState | None) -> Change | None:
        if message is None:
            return None
        terms = self._terms
        return lifecycle.start(message, epoch=stamp.epoch, worker=terms.worker, lease=terms.sending_lease)


def _was_clear(result: SendResult | NotStarted | Unrenderable | None) -> bool | None:
    """Whether the provider gave a clear answer; None if it was not even asked."""
    if result is None or isinstance(result, NotStarted | Unreachable | Unrenderable):
        return None
    return not isinstance(result, Uncertain)
