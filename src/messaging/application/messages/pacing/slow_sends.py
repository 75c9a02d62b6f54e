"""Tracks slow sends, and tells whether a sender has too many of them to begin another.

A send that has been under way for long gives its concurrency back and counts only against its own sender, whose slow
sends are bounded. A provider that hangs thus stops its own senders and no others.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import SenderId

# The part of the concurrency that one sender's slow sends of one priority may reach.
_SHARE: Final = 0.25

Send = asyncio.Task[None]


class SlowSends:
    """Sends are slow after `slow_after`; healthy providers answer within a fraction of it.

    As many sends may be slow as `concurrency` allows. Further slow sends keep counting against the concurrency, because
    there are no connections for more.
    """

    def __init__(self, *, concurrency: int, give_back: Callable[[Send], None], slow_after: timedelta) -> None:
        self._most = concurrency
        self._most_of_one = max(1, int(concurrency * _SHARE))
        self._give_back = give_back
        self._slow_after = slow_after.total_seconds()
        self._slow: set[Send] = set()
        self._slow_of: Counter[tuple[SenderId, Priority]] = Counter()

    def watch(self, send: Send, sender: SenderId, priority: Priority) -> None:
        """Start the timer of `send`, which has just begun."""
        timer = asyncio.get_running_loop().call_later(self._slow_after, self._becomes_slow, send, (sender, priority))
        send.add_done_callback(lambda _: timer.cancel())

    def are_too_many(self, sender: SenderId, priority: Priority) -> bool:
        """Whether no further send of this kind should begin before one of the slow ones has ended."""
        return self._slow_of[sender, priority] >= self._most_of_one

    def _becomes_slow(self, send: Send, kind: tuple[SenderId, Priority]) -> None:
        self._slow_of[kind] += 1
        send.add_done_callback(lambda _: self._has_ended(send, kind))
        if len(self._slow) < self._most:
            self._slow.add(send)
            self._give_back(send)

    def _has_ended(self, send: Send, kind: tuple[SenderId, Priority]) -> None:
        self._slow.discard(send)
        self._slow_of[kind] -= 1
        if not self._slow_of[kind]:
            del self._slow_of[kind]
