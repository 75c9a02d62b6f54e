"""Rate limits in memory: the same rule as the real ones, by a clock that tests move."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from messaging.application.ports.rate_limits import Allowance
from messaging.domain.shared.ids import SenderId


class InMemoryRateLimits:
    """`now` is in seconds. The defaults grant what a sender of 80 per second may send at 90 % of it."""

    def __init__(self, *, share: float = 0.9) -> None:
        self.now = 0.0
        self._share = share
        self._tat: dict[SenderId, float] = {}
        self._paused_until: dict[SenderId, float] = {}

    async def take(self, wanted: Sequence[tuple[SenderId, int, float]]) -> Mapping[SenderId, Allowance]:
        return {sender: self._one(sender, count, per_second) for sender, count, per_second in wanted}

    async def slow_down(self, sender: SenderId, pause: timedelta) -> None:
        self._paused_until[sender] = max(self._paused_until.get(sender, 0.0), self.now + pause.total_seconds())

    def _one(self, sender: SenderId, count: int, per_second: float) -> Allowance:
        paused = self._paused_until.get(sender, 0.0) - self.now
        if paused > 0:
            return Allowance(0, timedelta(seconds=paused))
        interval = 1 / (per_second * self._share)
        ahead = max(1, int(per_second * (1 - self._share) + 1e-6)) * interval
        tat = max(self._tat.get(sender, 0.0), self.now)
        granted = max(0, min(count, int((ahead - (tat - self.now)) / interval + 1e-6)))
        self._tat[sender] = tat = tat + granted * interval
        wait = max(1e-6, tat + interval - ahead - self.now) if granted < count else 0.0
        return Allowance(granted, timedelta(seconds=wait))
