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
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from time import monotonic
from typing import Final, NamedTuple

from messaging.application.ports.due_messages import Due
from messaging.application.ports.telemetry import Telemetry
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import SenderId

_URGENCY: Final = {Priority.LOW: 0, Priority.DEFAULT: 1, Priority.HIGH: 2, Priority.CRITICAL: 3}

# Seconds by which timers may fire early.
_EARLY: Final = 0.001
# A message whose start is recorded has a lease that must outlive its request; it waits for a slot no longer than this
# many seconds.
_LONGEST_WAIT: Final = 5.0


class Slot(NamedTuple):
    """An interval in which a first byte may leave, by this process's clock."""

    opens: float
    closes: float


class AskAgainAt(NamedTuple):
    """No slot was left; `at` is the time to ask for one again, by this process's clock."""

    at: float


# Raises StoreUnavailable.
MoreSlots = Callable[[Sequence[Due]], Awaitable[Sequence[Slot | AskAgainAt]]]


class SendSlots:
    """Hands slots to messages, for each sender by itself. `more` requests a new slot for each message that has none."""

    def __init__(self, *, more: MoreSlots, telemetry: Telemetry) -> None:
        self._more = more
        self._telemetry = telemetry
        self._of: dict[SenderId, SenderSlots] = {}

    def of(self, sender_id: SenderId) -> "SenderSlots":
        """The sender's slots, kept as long as any of its messages is expected."""
        if (slots := self._of.get(sender_id)) is None:
            forget = partial(self._of.pop, sender_id)
            slots = self._of[sender_id] = SenderSlots(self._more, self._telemetry, forget=forget)
        return slots


class SendSlotWait(NamedTuple):
    """A message that is ready and waits for a slot; the fields' order is the order of service."""

    urgency: int
    number: int
    due: Due
    give_up_at: float
    granted: "asyncio.Future[Slot | None]"


class SenderSlots:
    """The slots of one sender and the messages that are ready for them: the most urgent first, then first come, first
    served.
    """

    def __init__(self, more: MoreSlots, telemetry: Telemetry, *, forget: Callable[[], object]) -> None:
        self._more = more
        self._telemetry = telemetry
        self._forget = forget
        self._expected = 0
        self._numbers = count()
        self._slots: list[Slot] = []
        self._ready: list[SendSlotWait] = []
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    def expect(self, slot: Slot | None) -> None:
        """Expect one more message, which was claimed with a slot or with none; `leave` must follow."""
        self._expected += 1
        if slot is not None:
            heappush(self._slots, slot)
            self._changed.set()

    def leave(self) -> None:
        self._expected -= 1
        if not self._expected:
            self._forget()

    async def wait(self, due: Due) -> bool:
        """Wait until the first byte of the message may leave, which it then must at once. False if no slot came in
        time. Raises StoreUnavailable.
        """
        give_up_at = monotonic() + _LONGEST_WAIT
        while True:
            slot = None if self._ready else self._open_now()
            if slot is None and (slot := await self._line_up(due, give_up_at)) is None:
                return False
            if monotonic() <= slot.closes:
                return True

    def _line_up(self, due: Due, give_up_at: float) -> "asyncio.Future[Slot | None]":
        urgency = -_URGENCY[due.message.priority]
        granted: asyncio.Future[Slot | None] = asyncio.get_running_loop().create_future()
        heappush(self._ready, SendSlotWait(urgency, next(self._numbers), due, give_up_at, granted))
        self._changed.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        return granted

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
        got = await self._more([waiting.due for waiting in self._ready[-self._missing() :]])
        for slot in got:
            if isinstance(slot, Slot):
                heappush(self._slots, slot)
        return min((told.at for told in got if isinstance(told, AskAgainAt)), default=0.0)

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


def _answer(waiting: SendSlotWait, slot: Slot | Exception | None) -> None:
    if waiting.granted.done():
        return
    if isinstance(slot, Exception):
        waiting.granted.set_exception(slot)
    else:
        waiting.granted.set_result(slot)
