"""Slow start: bounds the sends of an account that are unanswered at once, starting low and widening with each answer.

When a provider connection breaks, every send under way ends with an unknown outcome. An account's sends therefore begin
few at a time, and each clear answer lets two more begin, as TCP opens a connection: twice as many each round trip, up
to the maximum. After an unclear answer or an idle pause the bound starts low again.
"""

import asyncio
from collections import deque
from typing import Final

from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import AccountId

FIRST: Final = 4
# A send that takes longer than this many seconds stops counting: slow sends are bounded by `slow_sends`, and must not
# hold up others.
PATIENCE: Final = 0.25
IDLE: Final = 0.1


class SlowStart:
    """Slow start for each account by itself: a failure at one says nothing about another. `most` is the maximum."""

    def __init__(self, *, most: int, patience: float = PATIENCE, idle: float = IDLE) -> None:
        self._most = most
        self._patience = patience
        self._idle = idle
        self._ways: dict[AccountId, _Way] = {}

    async def enter(self, account_id: AccountId, priority: Priority) -> "Departure":
        """Return when the send may begin. Critical messages never wait, but they count."""
        if (way := self._ways.get(account_id)) is None:
            way = self._ways[account_id] = _Way(self._most)
        await way.enter(waits=priority is not Priority.CRITICAL)
        return Departure(self, account_id, way, self._patience)

    def left(self, account_id: AccountId, way: "_Way") -> None:
        if way.is_empty:
            asyncio.get_running_loop().call_later(self._idle, self._forget, account_id, way, way.entered)

    def _forget(self, account_id: AccountId, way: "_Way", entered: int) -> None:
        if way.entered == entered:
            self._ways.pop(account_id, None)


class Departure:
    """One send under slow start, until its answer or until `patience` seconds have passed."""

    def __init__(self, start: SlowStart, account_id: AccountId, way: "_Way", patience: float) -> None:
        self._start = start
        self._account_id = account_id
        self._way = way
        self._is_over = False
        self._timer = asyncio.get_running_loop().call_later(patience, self.ended, None)

    def ended(self, clear: bool | None) -> None:
        """Report whether the answer was clear; None if nothing is known. Only the first call counts."""
        if not self._is_over:
            self._is_over = True
            self._timer.cancel()
            self._way.leave(clear=clear)
            self._start.left(self._account_id, self._way)


class _Way:
    """The sends of one account that are under way, and those that wait to begin."""

    def __init__(self, most: int) -> None:
        self.entered = 0
        self._most = most
        self._width = min(FIRST, most)
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_empty(self) -> bool:
        return self._under_way == 0

    async def enter(self, *, waits: bool) -> None:
        self.entered += 1
        if not waits or (self._under_way < self._width and not self._waiting):
            self._under_way += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(clear=None)
            raise

    def leave(self, *, clear: bool | None) -> None:
        if clear is False:
            self._width = min(FIRST, self._most)
        elif clear and self._under_way >= self._width:
            # The bound widens only when it was fully used, because only then did the sends show that more is possible.
            self._width = min(self._width + 1, self._most)
        self._under_way -= 1
        while self._waiting and self._under_way < self._width:
            if not (turn := self._waiting.popleft()).done():
                turn.set_result(None)
                self._under_way += 1
