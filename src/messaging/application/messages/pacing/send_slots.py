"""Send slots: short intervals of time, one per rate-limit token, in which the first byte of a message may leave.

Between the token and the first byte lie two commits and a connection, whose duration is unknown on a busy machine, but
a provider counts when requests arrive. Each token is therefore spent on a slot, slots follow each other at the allowed
rate, and the last step before the first byte is to wait for one. An open slot goes to the most urgent message that is
ready, whichever message it was requested for. Messages left without one get new slots behind all slots given so far,
so that late messages never add to the rate.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from heapq import heapify, heappop, heappush
from itertools import count
from time import monotonic
from typing import Final, NamedTuple

from messaging.application.ports.due_messages import Due
from messaging.application.ports.telemetry import Telemetry
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import SenderId

_URGENCY: Final = {Priority.LOW: 0, Priority.DEFAULT: 1, Priority.HIGH: 2, Priority.CRITICAL: 3}
_URGENT: Final = (Priority.CRITICAL, Priority.HIGH)

# Seconds below which a pause is skipped.
_NO_PAUSE: Final = 0.005
# Seconds by which timers may fire early.
_EARLY: Final = 0.001
# Bounds, in seconds, of how long before its slot a message is rendered and its start recorded; between them the value
# follows the measured time. The next constant is the first value, before anything is measured.
_HEAD_STARTS: Final = (0.02, 0.3)
_FIRST_HEAD_START: Final = 0.1
# A message whose start is recorded has a lease that must outlive its request; it waits for a slot no longer than this
# many seconds.
_LONGEST_WAIT: Final = 5.0


class Slot(NamedTuple):
    """An interval in which a first byte may leave, by this process's clock. A slot that closes before it opens is no
    slot: `opens` is then the time to ask for one again.
    """

    opens: float
    closes: float


# Raises StoreUnavailable.
Again = Callable[[Sequence[Due]], Awaitable[Sequence[Slot]]]


class Slots:
    """Hands slots to messages. `again` requests a new slot for each message that has none."""

    def __init__(self, *, again: Again, telemetry: Telemetry) -> None:
        self._again = again
        self._telemetry = telemetry
        self._gates: dict[SenderId, _Gate] = {}
        self._head_start = _HeadStart()

    def turn(self, due: Due, slot: Slot | None) -> "Turn":
        """The wait of one message, which was claimed with a slot or with none."""
        sender = due.message.sender_id
        if (gate := self._gates.get(sender)) is None:
            gate = self._gates[sender] = _Gate(self._again, self._telemetry, close=lambda: self._gates.pop(sender))
        gate.expect(slot)
        return Turn(due, slot, gate, self._head_start)


class Turn:
    """One message's wait for a slot; call `end` whatever the result. `left_at` is the time at which it was let go, or
    None.
    """

    def __init__(self, due: Due, slot: Slot | None, gate: "_Gate", head_start: "_HeadStart") -> None:
        self._due = due
        self._slot = slot
        self._gate = gate
        self._head_start = head_start
        self._began = 0.0
        self.left_at: float | None = None

    @property
    def pause(self) -> float:
        """Seconds until rendering should begin, 0 if that is now. It begins as late as possible, because a message
        without a recorded start is known not to have been sent when its worker dies. Urgent messages begin at once, and
        take slots requested for others that are not ready.
        """
        if self._slot is None or self._due.message.priority in _URGENT:
            return 0.0
        pause = self._slot.opens - self._head_start.seconds - monotonic()
        return pause if pause >= _NO_PAUSE else 0.0

    def get_ready(self) -> None:
        """Note that rendering begins now."""
        self._began = monotonic()

    async def wait(self) -> bool:
        """Wait until the first byte may leave, which it then must at once. False if no slot came in time.

        Raises StoreUnavailable.
        """
        self._head_start.learn(monotonic() - self._began)
        if in_time := await self._gate.enter(self._due):
            self.left_at = monotonic()
        return in_time

    def end(self) -> None:
        self._gate.leave()


class _HeadStart:
    """Estimate of how long rendering and recording a start nearly always take at most, computed as TCP's retransmission
    timeout (RFC 6298).
    """

    def __init__(self) -> None:
        self.seconds = _FIRST_HEAD_START
        self._mean = _FIRST_HEAD_START / 2
        self._deviation = _FIRST_HEAD_START / 8

    def learn(self, took: float) -> None:
        self._deviation += (abs(took - self._mean) - self._deviation) / 4
        self._mean += (took - self._mean) / 8
        least, most = _HEAD_STARTS
        self.seconds = min(most, max(least, self._mean + 4 * self._deviation))


class _Waiting(NamedTuple):
    """A message that is ready and waits for a slot; the fields' order is the order of service."""

    urgency: int
    number: int
    due: Due
    give_up_at: float
    slot: "asyncio.Future[Slot | None]"


class _Gate:
    """The slots of one sender and the messages that are ready for them: the most urgent first, then first come, first
    served.

    It exists while any message of the sender is expected, and then calls `close`.
    """

    def __init__(self, again: Again, telemetry: Telemetry, *, close: Callable[[], object]) -> None:
        self._again = again
        self._telemetry = telemetry
        self._close = close
        self._expected = 0
        self._numbers = count()
        self._slots: list[Slot] = []
        self._ready: list[_Waiting] = []
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    def expect(self, slot: Slot | None) -> None:
        self._expected += 1
        if slot is not None:
            heappush(self._slots, slot)
            self._changed.set()

    def leave(self) -> None:
        self._expected -= 1
        if not self._expected:
            self._close()

    async def enter(self, due: Due) -> bool:
        give_up_at = monotonic() + _LONGEST_WAIT
        while True:
            slot = await self._turn(due, give_up_at)
            if slot is None:
                return False
            if monotonic() <= slot.closes:
                return True

    async def _turn(self, due: Due, give_up_at: float) -> Slot | None:
        if not self._ready and (slot := self._open_now()) is not None:
            return slot
        urgency = -_URGENCY[due.message.priority]
        waiting = _Waiting(urgency, next(self._numbers), due, give_up_at, asyncio.get_running_loop().create_future())
        heappush(self._ready, waiting)
        self._changed.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        return await waiting.slot

    async def _keep(self) -> None:
        """Grant one slot after the other while any message is ready."""
        asks_again_at = 0.0
        try:
            while self._ready:
                self._changed.clear()
                if self._missing() and asks_again_at <= monotonic():
                    asks_again_at = await self._get_missing()
                self._let_pass()
                if self._ready:
                    await self._sleep_until(self._next_event(asks_again_at))
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            for waiting in self._ready:
                _answer(waiting, error)
            self._ready.clear()
        finally:
            self._keeper = None

    def _next_event(self, asks_again_at: float) -> float:
        moments = [waiting.give_up_at for waiting in self._ready]
        if self._slots:
            moments.append(self._slots[0].opens)
        if self._missing():
            moments.append(asks_again_at)
        return min(moments)

    def _missing(self) -> int:
        """Number of ready messages without a slot."""
        self._drop_closed()
        return max(0, len(self._ready) - len(self._slots))

    async def _get_missing(self) -> float:
        """Request slots for them; returns the time to ask again for those that got none."""
        got = await self._again([waiting.due for waiting in self._ready[-self._missing() :]])
        for slot in got:
            if slot.closes >= slot.opens:
                heappush(self._slots, slot)
        return min((slot.opens for slot in got if slot.closes < slot.opens), default=0.0)

    def _let_pass(self) -> None:
        while self._ready and (slot := self._open_now()) is not None:
            _answer(heappop(self._ready), slot)
        now = monotonic()
        for waiting in [waiting for waiting in self._ready if waiting.give_up_at <= now]:
            self._ready.remove(waiting)
            _answer(waiting, None)
        heapify(self._ready)

    def _open_now(self) -> Slot | None:
        self._drop_closed()
        if self._slots and self._slots[0].opens <= monotonic() + _EARLY:
            return heappop(self._slots)
        return None

    def _drop_closed(self) -> None:
        now = monotonic()
        while self._slots and self._slots[0].closes < now:
            heappop(self._slots)
            self._telemetry.count("slots_missed")

    async def _sleep_until(self, moment: float) -> None:
        """Wait until `moment`, or until another message or slot has come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(moment - monotonic()):
                await self._changed.wait()


def _answer(waiting: _Waiting, slot: Slot | Exception | None) -> None:
    if waiting.slot.done():
        return
    if isinstance(slot, Exception):
        waiting.slot.set_exception(slot)
    else:
        waiting.slot.set_result(slot)
