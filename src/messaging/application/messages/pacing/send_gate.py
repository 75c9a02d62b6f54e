"""The send gate: decides how many messages of a lane may be claimed now, and lets each claimed one through to its send.

Behind the gate are the circuit breakers, the rate limits with their send slots, and the concurrency limit. A claim
reserves concurrency, asks how many messages of each sender could leave (`at_once`), and takes tokens for those it has
locked (`admit`). Each send passes `enter`, which counts it, lets it wait for its slot and its account, and passes its
result on to the breakers.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

from msgspec import Struct

from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.messages.pacing.concurrency_limit import ConcurrencyLimit, CountedSend
from messaging.application.messages.pacing.rate_limiting import RateLimiting
from messaging.application.messages.pacing.send_slots import SenderSlots, SendSlots, Slot
from messaging.application.ports.due_messages import Due
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message import Priority
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.messages.retry import SendResult
from messaging.domain.shared.ids import SenderId

_URGENT: Final = (Priority.CRITICAL, Priority.HIGH)
# Seconds below which a pause is skipped.
_NO_PAUSE: Final = 0.005
# Bounds, in seconds, of how long before its slot a message is rendered and its start recorded; between them the value
# follows the measured time. The next constant is the first value, before anything is measured.
_HEAD_STARTS: Final = (0.02, 0.3)
_FIRST_HEAD_START: Final = 0.1


class SendGate:
    """One process's gate. Claims and drains ask its parts directly, by the names that the gate gives them."""

    def __init__(
        self,
        *,
        breakers: CircuitBreakers,
        rate_limiting: RateLimiting,
        concurrency: ConcurrencyLimit,
        slots: SendSlots,
    ) -> None:
        self._breakers = breakers
        self._rate_limiting = rate_limiting
        self._concurrency = concurrency
        self._slots = slots
        self._head_start = _HeadStart()
        self.reserved = concurrency.reserved
        self.wait_for_one = concurrency.wait_for_one
        self.close = concurrency.close
        self.admit = rate_limiting.admit
        self.units = rate_limiting.units
        self.charge = rate_limiting.charge
        self.held_until = rate_limiting.held_until
        self.throttled = rate_limiting.throttled
        self.throttled_for = rate_limiting.throttled_for

    @property
    def closed(self) -> bool:
        """Whether this process is to begin no further send."""
        return self._concurrency.closed

    async def at_once(self, lane: DeliverLane, flows: Iterable[Flow]) -> Mapping[SenderId, int]:
        """The most messages that each sender could be granted now, by its health, its slow sends and its limit, so that
        no more rows are locked. Senders with 0 are throttled for a moment.
        """
        senders = {flow.sender_id: flow for flow in flows}
        most = {sender: 0 for sender in senders if self._concurrency.has_too_many_slow(sender, lane.priority)}
        clearances = await self._breakers.admit(
            {sender: flow.tenant_id for sender, flow in senders.items() if sender not in most}
        )
        for sender, clearance in clearances.items():
            left = await self._rate_limiting.left(lane, senders[sender], rate_factor=clearance.rate_factor)
            most[sender] = left if clearance.concurrency is None else min(left, clearance.concurrency)
        if none := [sender for sender, count in most.items() if count == 0]:
            self._rate_limiting.hold(lane, none)
        return most

    @asynccontextmanager
    async def enter(self, due: Due, slot: Slot | None = None) -> AsyncIterator["Permit"]:
        """Let one claimed message through, which counts as a send within the block. `slot` is the slot it was claimed
        with; a message claimed without one gets one later.

        The block begins as shortly before the slot as rendering and recording the start allow, because a message
        without a recorded start is known not to have been sent when its worker dies.
        """
        slots = self._slots.of(due.message.sender_id)
        slots.expect(slot)
        send = self._concurrency.enter(due.message)
        try:
            # Urgent messages begin at once, and take slots requested for others that are not ready.
            if slot is not None and due.message.priority not in _URGENT:
                pause = slot.opens - self._head_start.seconds - monotonic()
                if pause >= _NO_PAUSE:
                    with self._concurrency.lent(send):
                        await asyncio.sleep(pause)
            yield Permit(due, send, slots, self._head_start, self._concurrency, self._breakers)
        finally:
            self._concurrency.leave(send)
            slots.leave()


class Permit(Struct, eq=False):
    """One send's passage. Call `begin`, then `wait_for_slot` just before the first byte, `answered` with the answer and
    `record` when the outcome is recorded.

    `began` is the time at which the send left the gate, or was ready for it if it never left; `left` says which.
    """

    due: Due
    send: CountedSend
    slots: SenderSlots
    head_start: "_HeadStart"
    concurrency: ConcurrencyLimit
    breakers: CircuitBreakers
    began: float = 0.0
    left: bool = False

    async def begin(self) -> None:
        """Wait until the account may have another unanswered send."""
        await self.concurrency.begin(self.send)
        self.began = monotonic()

    async def wait_for_slot(self) -> bool:
        """Wait until the first byte may leave, which it then must at once. False if no slot came in time.

        Raises StoreUnavailable.
        """
        self.head_start.record(monotonic() - self.began)
        if await self.slots.wait(self.due):
            # The provider is not to blame for what came before the first byte.
            self.began, self.left = monotonic(), True
        return self.left

    def answered(self, clear: bool | None) -> None:
        """Report whether the provider gave a clear answer; None if it was not even asked."""
        self.concurrency.answered(self.send, clear)

    async def record(self, result: SendResult) -> None:
        """Tell the circuit breakers the result."""
        await self.breakers.record(self.due.message, result, began_ago=monotonic() - self.began)


class _HeadStart:
    """Estimate of how long rendering and recording a start nearly always take at most, computed as TCP's retransmission
    timeout (RFC 6298).
    """

    def __init__(self) -> None:
        self.seconds = _FIRST_HEAD_START
        self._mean = _FIRST_HEAD_START / 2
        self._deviation = _FIRST_HEAD_START / 8

    def record(self, took: float) -> None:
        self._deviation += (abs(took - self._mean) - self._deviation) / 4
        self._mean += (took - self._mean) / 8
        least, most = _HEAD_STARTS
        self.seconds = min(most, max(least, self._mean + 4 * self._deviation))
