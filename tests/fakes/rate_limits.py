"""Rate limits in memory: the same rule as the real ones, by a clock that tests move."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from messaging.application.ports.rate_limits import Bucket, Verdict


class InMemoryRateLimits:
    """`now` is in seconds; the buckets have rested for ever."""

    def __init__(self) -> None:
        self.now = 0.0
        self._tat: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self._calm: dict[str, float] = {}
        self._passed: dict[str, list[float]] = {}

    async def take(self, wanted: Sequence[Sequence[Bucket]]) -> Sequence[Verdict]:
        later: Counter[str] = Counter()
        return [self._one(buckets, later) for buckets in wanted]

    async def charge(self, bucket: Bucket, tokens: int) -> None:
        tat = max(self.now, self._tat.get(bucket.key, self.now))
        self._tat[bucket.key] = tat + tokens * bucket.interval

    def _one(self, buckets: Sequence[Bucket], later: Counter[str]) -> Verdict:
        waits = [self._wait(bucket, later) for bucket in buckets]
        longest = max(waits, default=0.0)
        if longest > 0:
            denied_by = waits.index(longest)
            later[buckets[denied_by].key] += 1
            return Verdict(denied_by, timedelta(seconds=longest))
        calm = all(self._calm.get(bucket.key, self.now) <= self.now + 0.2 for bucket in buckets)
        slot = max([self.now, *(self._tat.get(bucket.key, self.now) for bucket in buckets if _is_plain(bucket))])
        for bucket in buckets:
            self._pay(bucket, slot)
        return Verdict(None, timedelta(seconds=slot - self.now), calm=calm)

    def _pay(self, bucket: Bucket, slot: float) -> None:
        if bucket.period:
            self._passed.setdefault(bucket.key, []).append(self.now)
            return
        if not bucket.window:
            self._calm[bucket.key] = max(self._calm.get(bucket.key, self.now), self.now) + 4 * bucket.interval
        if self._tat.get(bucket.key, self.now) <= self.now:
            self._tat[bucket.key] = self._began[bucket.key] = self.now
        self._tat[bucket.key] = (self._tat[bucket.key] if bucket.window else slot) + bucket.interval

    def _wait(self, bucket: Bucket, later: Counter[str]) -> float:
        if bucket.period:
            since = self.now - bucket.period
            passed = [at for at in self._passed.get(bucket.key, []) if at > since]
            return passed[0] - since if len(passed) >= bucket.burst else 0.0
        debt = max(0.0, self._tat.get(bucket.key, self.now) - self.now)
        if not bucket.window:
            return max(0.0, debt - (bucket.burst - 1) * bucket.interval - 1e-9)
        began = self._began.get(bucket.key, self.now)
        borrowed = round((self.now + debt - began) / bucket.interval)
        if debt == 0 or (self.now < began + bucket.window and borrowed < bucket.burst):
            return 0.0
        return debt + later[bucket.key] * bucket.interval


def _is_plain(bucket: Bucket) -> bool:
    return not bucket.window and not bucket.period
