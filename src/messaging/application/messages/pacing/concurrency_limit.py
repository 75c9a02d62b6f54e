"""Bounds the sends under way in one process, and grants free capacity to waiting claims by priority."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import accumulate
from time import monotonic
from typing import Final

from msgspec import Struct

from messaging.domain.messages.message import Priority

# The part of the concurrency that a priority and all lower ones may use together, so that slow campaign sends never
# keep an OTP waiting.
_SHARE: Final = {Priority.LOW: 0.5, Priority.DEFAULT: 0.75, Priority.HIGH: 0.9, Priority.CRITICAL: 1.0}
_URGENCY: Final = {priority: level for level, priority in enumerate(_SHARE)}
# A claim that has waited this many seconds for concurrency competes as if it were one priority higher. The wait of the
# claim counts and not the age of its oldest message, because a campaign's backlog is old all day.
AGEING_STEP: Final = 30.0


class _Waiting(Struct, eq=False):
    priority: Priority
    since: float
    granted: asyncio.Future[int]

    def order(self, now: float) -> tuple[int, float]:
        """Sort key: the most urgent first, and among equals the one that has waited longest."""
        return -_URGENCY[self.priority] - int((now - self.since) / AGEING_STEP), self.since


class ConcurrencyLimit:
    """Bounds the sends of one process. A claim reserves concurrency, which its sends then take over one by one."""

    def __init__(self, *, concurrency: int, batch: int) -> None:
        self._concurrency = concurrency
        self._batch = batch
        self._limits = {priority: max(1, int(concurrency * share)) for priority, share in _SHARE.items()}
        # A quarter of the limit makes a claim a batch; waiting for more than other priorities leave free might never
        # end.
        room = _room_above(self._limits)
        self._enough = {level: max(1, min(limit // 4, room[level])) for level, limit in self._limits.items()}
        self._under_way: set[asyncio.Task[None]] = set()
        self._taken: dict[asyncio.Task[None], Priority] = {}
        self._used: Counter[Priority] = Counter()
        self._waiting: list[_Waiting] = []
        self._lent = 0
        self._about_to_hand_out = False
        self._closed = False

    @property
    def taken(self) -> int:
        """Number of messages claimed by this process whose outcome is not recorded yet."""
        return len(self._under_way)

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Grant claims no concurrency from now on."""
        self._closed = True
        self._hand_out()

    def take(self, send: asyncio.Task[None], priority: Priority) -> None:
        """Count `send` against the limit until it ends or `give_back` is called."""
        self._under_way.add(send)
        self._taken[send] = priority
        self._used[priority] += 1
        send.add_done_callback(self._end)

    def give_back(self, send: asyncio.Task[None]) -> None:
        """Stop counting `send` against the limit; the send goes on."""
        if (priority := self._taken.pop(send, None)) is not None:
            self._used[priority] -= 1
        self._hand_out_soon()

    @contextmanager
    def lent(self, send: asyncio.Task[None], priority: Priority) -> Iterator[None]:
        """Stop counting `send` within the block, where it only waits, and count it again afterwards, even if that
        exceeds the limit: at most `concurrency` sends may be lent at once, so the excess is bounded.
        """
        if self._lent >= self._concurrency:
            yield
            return
        self._lent += 1
        self.give_back(send)
        try:
            yield
        finally:
            self._lent -= 1
            self._taken[send] = priority
            self._used[priority] += 1

    @asynccontextmanager
    async def reserved(self, priority: Priority) -> AsyncIterator[int]:
        """Reserve free concurrency for this priority within the block; yields how much, and 0 once closed.

        Waits while little is free, so that claims stay batches. The sends must be counted by `take` within the block.
        """
        waiting = _Waiting(priority, monotonic(), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._hand_out()
        try:
            yield await waiting.granted
        finally:
            self._leave(waiting)

    async def wait_for_one(self) -> None:
        while len(self._taken) >= self._concurrency:
            # A send may also have stopped counting without ending.
            await asyncio.wait(self._taken, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)

    async def wait_for_all(self) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _end(self, send: asyncio.Task[None]) -> None:
        self._under_way.discard(send)
        self.give_back(send)

    def _leave(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        elif waiting.granted.done() and not waiting.granted.cancelled():
            self._used[waiting.priority] -= waiting.granted.result()
        self._hand_out()

    def _hand_out_soon(self) -> None:
        """Schedule one hand-out for all sends that end in one turn of the event loop, because outcomes are recorded in
        batches.
        """
        if self._waiting and not self._about_to_hand_out:
            self._about_to_hand_out = True
            asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        """Grant concurrency to the most urgent first: while they wait for what any priority could use, nobody else gets
        it.
        """
        self._about_to_hand_out = False
        now = monotonic()
        for waiting in sorted(self._waiting, key=lambda waiting: waiting.order(now)):
            enough, free = self._enough[waiting.priority], self._free(waiting.priority)
            if self._closed or waiting.granted.cancelled():
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
        at_or_below = dict(zip(self._limits, accumulate(self._used[level] for level in self._limits), strict=True))
        urgency = _URGENCY[priority]
        return min(limit - at_or_below[level] for level, limit in self._limits.items() if _URGENCY[level] >= urgency)


def _room_above(limits: Mapping[Priority, int]) -> dict[Priority, int]:
    """For each priority, how much its limit exceeds that of the next lower one."""
    return {level: limit - below for (level, limit), below in zip(limits.items(), [0, *limits.values()], strict=False)}
