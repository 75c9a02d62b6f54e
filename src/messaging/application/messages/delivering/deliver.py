"""Delivers due messages: claims them, records the start of each send, calls the provider, records the outcome.

Two commits precede the first byte of a request: the claim (with its attempt row) and the start. No connection or
transaction is held during the provider call. Starts and outcomes of concurrent sends share commits.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final

from msgspec import Struct

from messaging.application import crashpoints
from messaging.application.contacts.learn_aliases import Told
from messaging.application.messages.delivering.claim import Claim, ClaimDue, Observed
from messaging.application.messages.delivering.isolate_poison import IsolatePoison
from messaging.application.messages.delivering.mark_started import MarkStarted
from messaging.application.messages.delivering.outgoing import Prepared, RenderOutgoing, Unrenderable, told_by
from messaging.application.messages.delivering.record_outcomes import (
    Concluded,
    RecordOutcomes,
    Released,
    Undeliverable,
    attempt_ids,
)
from messaging.application.messages.pacing.send_gate import Permit, SendGate
from messaging.application.ports.due_messages import Due
from messaging.application.ports.providers.sending import NotStarted
from messaging.application.ports.send_journal import JournalEntry, SendJournal
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane
from messaging.domain.content.content import Text
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import Rejected, SendResult, Sent, Uncertain, Unreachable

log = logging.getLogger(__name__)

_BROKE_BEFORE: Final = Unreachable(code="internal_error", reason="An error in this platform kept it from being sent.")
_BROKE_AFTER: Final = Uncertain(code="internal_error", reason="An error in this platform lost the provider's answer.")
_NO_START: Final = Unreachable(code="start_not_written", reason="The start could not be recorded, so nothing was sent.")
_NO_SLOT: Final = Unreachable(code="no_slot", reason="No time within its sender's limit was left soon enough.")


class _Send(Struct):
    """One send under way. `started` is the message's state after its recorded start; `claim_over` is set when the send
    has started or was given back.
    """

    claim: Claim
    prepared: Prepared
    permit: Permit
    entry: JournalEntry
    claim_over: asyncio.Event
    started: Observed | None = None
    start_is_in_doubt: bool = False


class DeliverMessages:
    """Takes up what is due in a lane; the sends themselves go on after the call returns (see `drain`)."""

    def __init__(
        self,
        *,
        claim: ClaimDue,
        gate: SendGate,
        render: RenderOutgoing,
        mark_started: MarkStarted,
        record: RecordOutcomes,
        journal: SendJournal,
        learn_alias: Callable[[Told], Awaitable[None]],
    ) -> None:
        self._claim = claim
        self._gate = gate
        self._render = render
        self._mark_started = mark_started
        self._record = record
        self._journal = journal
        self._learn_alias = learn_alias
        self._isolate_poison = IsolatePoison(claim=claim.alone, wait_for_one=gate.wait_for_one, begin=self._begin)
        self._sends: set[asyncio.Task[None]] = set()

    async def __call__(self, lane: DeliverLane) -> int:
        """How many messages were taken up; 0 when nothing is due, allowed or wanted now. Raises StoreUnavailable."""
        async with self._gate.reserved(lane.priority) as concurrency:
            if concurrency == 0:
                return 0
            claimed = await self._claim(lane, concurrency)
            if claimed.maybe_poison:
                self._isolate_poison.add(claimed.maybe_poison)
            for claim in claimed.claims:
                self._begin(claim)
            if claimed.claims:
                # Every send enters the gate, and counts there, before the reservation ends.
                await asyncio.sleep(0)
        return len(claimed.claims)

    @property
    def under_way(self) -> int:
        """Messages claimed by this process whose outcome is not recorded yet."""
        return len(self._sends)

    async def drain(self) -> None:
        """Claim nothing more, give back what has not started, and wait for what has; never cancels a started send."""
        self._gate.close()
        await self._isolate_poison.stop()
        while self._sends:
            await asyncio.wait(self._sends)

    def _begin(self, claim: Claim) -> asyncio.Event:
        """Send a claimed message beside all others; the event is set once it is started or given back."""
        claim_over = asyncio.Event()
        task = asyncio.create_task(self._deliver(claim, claim_over))
        self._sends.add(task)
        task.add_done_callback(self._sends.discard)
        return claim_over

    async def _deliver(self, claim: Claim, claim_over: asyncio.Event) -> None:
        try:
            async with self._gate.enter(claim.due, claim.slot) as permit:
                crashpoints.reach("render.before_start", claim.key.message_id)
                prepared = await self._render(claim.due, epoch=claim.epoch)
                if isinstance(prepared, Unrenderable):
                    await self._record(Undeliverable(claim.key, claim.epoch, prepared))
                    return
                if isinstance(prepared.outgoing.content, Text):
                    await self._charge(claim.due, prepared.provider, prepared.outgoing.content)
                entry = self._journal.open(claim.key, claim.epoch, claim.due.message.account_id)
                try:
                    await permit.begin()
                    send = _Send(claim, prepared, permit, entry, claim_over)
                    result = await self._send(send)
                    permit.answered(_was_clear(result))
                    crashpoints.reach("send.after_reply", claim.key.message_id)
                    await self._conclude(send, result)
                finally:
                    entry.close()
        finally:
            claim_over.set()

    async def _charge(self, due: Due, provider: str, text: Text) -> None:
        """Take tokens for the further units of a text that counts as several, such as the segments of an SMS."""
        if (units := self._gate.units(provider, due.message.channel, text)) > 1:
            await self._gate.charge(due, units)

    async def _send(self, send: _Send) -> SendResult | NotStarted | Unrenderable:
        """Call the provider. The result is what is certain about the send."""
        try:
            result = await send.prepared.gateway.send(send.prepared.outgoing, may_start=partial(self._may_start, send))
        except Exception:  # the message must not wait for the end of its lease because of a bug of ours
            log.exception("message.send_broke", extra=attempt_ids(send.claim.key, send.claim.epoch))
            return _BROKE_AFTER if send.permit.left else _BROKE_BEFORE
        if send.start_is_in_doubt:
            return _NO_START
        if send.started is not None and not send.permit.left:
            return _NO_SLOT
        if isinstance(result, Rejected) and send.started is None:
            # The adapter itself cannot express this content: no try could ever work.
            return Unrenderable(ProviderError(code=result.code, reason=result.reason))
        return result

    async def _may_start(self, send: _Send) -> bool:
        """Record the start and wait for a slot. The gateway asks once its connection stands; with True, the first byte
        leaves at once.
        """
        if self._gate.closed:
            return False
        try:
            send.started = await self._mark_started(send.claim)
        except StoreUnavailable:
            # Whether the start was committed is not known, so no byte may leave; but it is known that none has.
            send.start_is_in_doubt = True
        if send.started is None:
            return False
        send.claim_over.set()
        with suppress(StoreUnavailable):
            if await send.permit.wait_for_slot():
                send.entry.sent()
                crashpoints.reach("send.before_first_byte", send.claim.key.message_id)
        return send.permit.left

    async def _conclude(self, send: _Send, result: SendResult | NotStarted | Unrenderable) -> None:
        claim, permit, due = send.claim, send.permit, send.claim.due
        if isinstance(result, Unrenderable):
            await self._record(Undeliverable(claim.key, claim.epoch, result))
            return
        if isinstance(result, NotStarted):
            log.info("message.not_started", extra=attempt_ids(claim.key, claim.epoch))
            await self._record(Released(claim.key, claim.epoch, "draining" if self._gate.closed else "fence_lost"))
            return
        if not isinstance(result, Sent):
            send.entry.failed(result)
        account_id, provider, seconds = due.message.account_id, send.prepared.provider, monotonic() - permit.began
        waited = permit.began - claim.ready_at if permit.left and claim.ready_at is not None else None
        # First of all: until it is recorded, only this process knows it, and a refusal has no echo.
        outcome = Concluded(
            claim.key, claim.epoch, account_id, result, send.started, seconds, provider, waited, claim.observed
        )
        await self._record(outcome)
        await permit.record(result)
        if isinstance(result, Sent) and (told := told_by(result, due, send.prepared.outgoing)) is not None:
            await self._learn_alias(told)


def _was_clear(result: SendResult | NotStarted | Unrenderable) -> bool | None:
    """Whether the provider gave a clear answer; None if it was not even asked."""
    if isinstance(result, NotStarted | Unreachable | Unrenderable):
        return None
    return not isinstance(result, Uncertain)
