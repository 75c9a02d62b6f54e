"""Wakeups in lists, one list for each queue."""

from collections import defaultdict
from collections.abc import Sequence

from messaging.application.ports.wakeups import QueueUnavailable
from messaging.application.wakeups import Wakeup, queue_name


class InMemoryWakeupQueue:
    """`woken` are the wakeups that wait, in order; up to `waiting` in each queue. While `away`, none is published."""

    def __init__(self, *, waiting: int = 8) -> None:
        self.queues: defaultdict[str, list[Wakeup]] = defaultdict(list)
        self.away = False
        self._waiting = waiting

    @property
    def woken(self) -> list[Wakeup]:
        return [wakeup for queue in self.queues.values() for wakeup in queue]

    async def wakeup(self, wakeups: Sequence[Wakeup]) -> None:
        if self.away and wakeups:
            raise QueueUnavailable
        for wakeup in wakeups:
            if len(self.queues[queue_name(wakeup)]) < self._waiting:
                self.queues[queue_name(wakeup)].append(wakeup)
