"""Bounds the sends under way in one process, and grants free concurrency to waiting claims by priority.

Each send counts against three bounds. All sends together have a share of the process's concurrency for each priority.
A sender's slow sends are bounded by themselves: a send that has been under way for long gives its concurrency back and
counts against its own sender only, so a provider that hangs stops its own senders and no others. An account's
unanswered sends start low (slow start): when a provider connection breaks, every send under way ends with an unknown
outcome, so an account's sends begin few at a time, and each clear answer lets one more begin, as TCP opens a
connection: twice as many each round trip. After an unclear answer or an idle pause the bound is low again.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Final

from msgspec import Struct

from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageState
from messaging.domain.shared.ids import AccountId, SenderId

# The part of the concurrency that a priority and all lower ones may use together, so that slow campaign sends never
# keep an OTP waiting.
_SHARE: Final = {Priority.LOW: 0.5, Priority.DEFAULT: 0.75, Priority.HIGH: 0.9, Priority.CRITICAL: 1.0}
_URGENCY: Final = {priority: level for level, priority in enumerate(_SHARE)}
# A claim that has waited this many seconds for concurrency competes as if it were one priority higher. The wait of the
# claim counts and not the age of its oldest message, because a campaign's backlog is old all day.
AGEING_STEP: Final = 30.0

# The part of the concurrency that one sender's slow sends of one priority may reach.
_SLOW_SHARE: Final = 0.25

# The number of unanswered sends with which an account starts.
FIRST: Final = 4


class SendPace(Struct, frozen=True, kw_only=True):
    """Times by which sends are judged. A send is slow after `slow_after`; healthy providers answer within a fraction of
    it. After `answer_within` it stops counting as unanswered; an account without sends starts low again after `idle`.
    """

    slow_after: timedelta = timedelta(seconds=2)
    answer_within: timedelta = timedelta(seconds=0.25)
    idle: timedelta = timedelta(seconds=0.1)


class CountedSend(Struct, eq=False):
    """A send that counts against the limit from `ConcurrencyLimit.enter` to `leave`; `start` holds its account's
    unanswered sends while it is one of them.
    """

    priority: Priority
    sender_id: SenderId
    account_id: AccountId
    timer: asyncio.TimerHandle | None = None
    start: "_SlowStart | None" = None
    start_timer: asyncio.TimerHandle | None = None


class _Waiting(Struct, eq=False):
    priority: Priority
    since: float
    granted: asyncio.Future[int]


class ConcurrencyLimit:
    """Bounds the sends of one process. A claim reserves concurrency, which its sends then take over one by one."""

    def __init__(self, *, concurrency: int, batch: int, pace: SendPace | None = None) -> None:
        self._concurrency = concurrency
        self._batch = batch
        self._pace = pace or SendPace()
        self._limits = {priority: max(1, int(concurrency * share)) for priority, share in _SHARE.items()}
        # A quarter of the limit makes a claim a batch; waiting for more than other priorities leave free might never
        # end.
        room = _room_above(self._limits)
        self._enough = {level: max(1, min(limit // 4, room[level])) for level, limit in self._limits.items()}
        self._most_slow = max(1, int(concurrency * _SLOW_SHARE))
        self._counted: set[CountedSend] = set()
        self._slow: set[CountedSend] = set()
        self._starts: dict[AccountId, _SlowStart] = {}
        self._used: Counter[Priority] = Counter()
        self._waiting: list[_Waiting] = []
        self._lent = 0
        self._about_to_hand_out = False
        self._given_back = asyncio.Event()
        self.closed = False

    # --- claims -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def reserved(self, priority: Priority) -> AsyncIterator[int]:
        """Reserve free concurrency for this priority within the block; yields how much, and 0 once closed.

        Waits while little is free, so that claims stay batches. The sends must have entered when the block ends.
        """
        waiting = _Waiting(priority, monotonic(), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._hand_out()
        try:
            yield await waiting.granted
        finally:
            self._stop_waiting(waiting)

    async def wait_for_one(self) -> None:
        """Return when fewer sends count than may be under way at once."""
        while len(self._counted) >= self._concurrency:
            self._given_back.clear()
            await self._given_back.wait()

    def close(self) -> None:
        """Grant claims no concurrency from now on."""
        self.closed = True
        self._hand_out()

    def _stop_waiting(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        elif waiting.granted.done() and not waiting.granted.cancelled():
            self._used[waiting.priority] -= waiting.granted.result()
        self._hand_out()

    def _hand_out(self) -> None:
        """Grant concurrency to the most urgent first: while they wait for what any priority could use, nobody else gets
        it.
        """
        self._about_to_hand_out = False
        now = monotonic()
        for waiting in sorted(self._waiting, key=partial(_service_order, now)):
            enough, free = self._enough[waiting.priority], self._free(waiting.priority)
            if self.closed or waiting.granted.cancelled():
                self._grant(waiting, 0)
            elif free >= enough:
                self._grant(waiting, min(free, self._batch))
            elif self._free(Priority.CRITICAL) < enough:
                return

    def _grant(self, waiting: _Waiting, concurrency: int) -> None:
        self._waiting.remove(waiting)
        self._used[waiting.priority] += concurrency
        if not waiting.granted.done():
            waiting.granted.set_result(concurrency)

    def _free(self, priority: Priority) -> int:
        """Free concurrency for a priority. Each limit is for a priority and all below it, so the narrowest that applies
        counts.
        """
        used, free = 0, self._concurrency
        for level, limit in self._limits.items():
            used += self._used[level]
            if _URGENCY[level] >= _URGENCY[priority]:
                free = min(free, limit - used)
        return free

    # --- sends ------------------------------------------------------------------------------------------------------

    def enter(self, message: MessageState) -> CountedSend:
        """Count a send of this message from now on."""
        send = CountedSend(message.priority, message.sender_id, message.account_id)
        slow_after = self._pace.slow_after.total_seconds()
        send.timer = asyncio.get_running_loop().call_later(slow_after, self._becomes_slow, send)
        self._counted.add(send)
        self._used[send.priority] += 1
        return send

    def leave(self, send: CountedSend) -> None:
        """Stop counting a send that has ended."""
        assert send.timer is not None
        send.timer.cancel()
        self.answered(send, clear=None)
        self._slow.discard(send)
        self._give_back(send)

    @contextmanager
    def lent(self, send: CountedSend) -> Iterator[None]:
        """Stop counting `send` within the block, where it only waits, and count it again afterwards, even if that
        exceeds the limit: at most `concurrency` sends may be lent at once, so the excess is bounded.
        """
        if self._lent >= self._concurrency:
            yield
            return
        self._lent += 1
        self._give_back(send)
        try:
            yield
        finally:
            self._lent -= 1
            self._counted.add(send)
            self._used[send.priority] += 1

    def _give_back(self, send: CountedSend) -> None:
        if send in self._counted:
            self._counted.remove(send)
            self._used[send.priority] -= 1
            self._given_back.set()
        # One hand-out serves all sends that end in one turn of the event loop, because outcomes are recorded in
        # batches.
        if self._waiting and not self._about_to_hand_out:
            self._about_to_hand_out = True
            asyncio.get_running_loop().call_soon(self._hand_out)

    # --- slow sends -------------------------------------------------------------------------------------------------

    def has_too_many_slow(self, sender_id: SenderId, priority: Priority) -> bool:
        """Whether the sender should begin no further send of this priority before one of its slow ones has ended."""
        slow = sum(send.sender_id == sender_id and send.priority is priority for send in self._slow)
        return slow >= self._most_slow

    def _becomes_slow(self, send: CountedSend) -> None:
        """As many slow sends as the concurrency give theirs back. Further ones keep it, because there are no
        connections for more.
        """
        if len(self._slow - self._counted) < self._concurrency:
            self._give_back(send)
        self._slow.add(send)

    # --- slow start -------------------------------------------------------------------------------------------------

    async def begin(self, send: CountedSend) -> None:
        """Return when the account may have another unanswered send. Critical messages never wait, but they count."""
        if (start := self._starts.get(send.account_id)) is None:
            start = self._starts[send.account_id] = _SlowStart(self._concurrency)
        await start.enter(waits=send.priority is not Priority.CRITICAL)
        send.start = start
        answer_within = self._pace.answer_within.total_seconds()
        send.start_timer = asyncio.get_running_loop().call_later(answer_within, self.answered, send, None)

    def answered(self, send: CountedSend, clear: bool | None) -> None:
        """Report whether the answer was clear; None if nothing is known. Only the first call counts."""
        if (start := send.start) is None:
            return
        assert send.start_timer is not None
        send.start_timer.cancel()
        send.start = None
        start.leave(clear=clear)
        if not start.unanswered:
            idle = self._pace.idle.total_seconds()
            asyncio.get_running_loop().call_later(idle, self._forget, send.account_id, start, start.entered)

    def _forget(self, account_id: AccountId, start: "_SlowStart", entered: int) -> None:
        if start.entered == entered:
            self._starts.pop(account_id, None)


class _SlowStart:
    """The unanswered sends of one account, and those that wait to begin; a failure at one account says nothing about
    another.
    """

    def __init__(self, most: int) -> None:
        self.entered = 0
        self.unanswered = 0
        self._most = most
        self._width = min(FIRST, most)
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, *, waits: bool) -> None:
        self.entered += 1
        if not waits or (self.unanswered < self._width and not self._waiting):
            self.unanswered += 1
            return
        begins: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(begins)
        try:
            await begins
        except asyncio.CancelledError:
            if begins.done() and not begins.cancelled():
                self.leave(clear=None)
            raise

    def leave(self, *, clear: bool | None) -> None:
        if clear is False:
            self._width = min(FIRST, self._most)
        elif clear and self.unanswered >= self._width:
            # The bound widens only when it was fully used, because only then did the sends show that more is possible.
            self._width = min(self._width + 1, self._most)
        self.unanswered -= 1
        while self._waiting and self.unanswered < self._width:
            if not (begins := self._waiting.popleft()).done():
                begins.set_result(None)
                self.unanswered += 1


def _service_order(now: float, waiting: _Waiting) -> tuple[int, float]:
    """The most urgent first, and among equals the one that has waited longest."""
    return -_URGENCY[waiting.priority] - int((now - waiting.since) / AGEING_STEP), waiting.since


def _room_above(limits: Mapping[Priority, int]) -> dict[Priority, int]:
    """For each priority, how much its limit exceeds that of the next lower one."""
    return {level: limit - below for (level, limit), below in zip(limits.items(), [0, *limits.values()], strict=False)}
