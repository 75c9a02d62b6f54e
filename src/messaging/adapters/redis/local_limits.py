"""Rate limits in this process's memory, by its own clock, at a fraction of each limit: used while Redis is away."""

from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Final

from messaging.application.ports.rate_limits import Bucket, Verdict

# The number of processes that share a limit, as a guess: without Redis a process cannot count the others.
_PROCESSES_ASSUMED: Final = 4
# The number of buckets kept in memory; beyond it, those that are full again are forgotten.
_MEMORY: Final = 10_000


class LocalLimits:
    """Grants a process its assumed share of each limit, and never lets a bucket borrow.

    Processes that count alone do not know each other's bursts, so a pair's burst could be spent once by each of them.
    """

    def __init__(self) -> None:
        self._tat: dict[str, float] = {}

    def take(self, wanted: Sequence[Sequence[Bucket]]) -> Sequence[Verdict]:
        now = monotonic()
        if len(self._tat) > _MEMORY:
            self._tat = {key: tat for key, tat in self._tat.items() if tat > now}
        return [self._one(buckets, now) for buckets in wanted]

    def charge(self, bucket: Bucket, tokens: int) -> None:
        now = monotonic()
        tat = max(now, self._tat.get(bucket.key, now))
        self._tat[bucket.key] = tat + tokens * bucket.interval * _PROCESSES_ASSUMED

    def _one(self, buckets: Sequence[Bucket], now: float) -> Verdict:
        waits = [self._wait(bucket, now) for bucket in buckets]
        longest = max(waits, default=0.0)
        if longest > 0:
            return Verdict(waits.index(longest), timedelta(seconds=longest))
        slot = max((now, *(self._tat.get(bucket.key, now) for bucket in buckets if not bucket.period)))
        for bucket in buckets:
            begins = max(now, self._tat.get(bucket.key, now)) if bucket.period else slot
            self._tat[bucket.key] = begins + bucket.interval * _PROCESSES_ASSUMED
        return Verdict(None, timedelta(seconds=slot - now))

    def _wait(self, bucket: Bucket, now: float) -> float:
        burst = 1 if bucket.window else max(1, bucket.burst // _PROCESSES_ASSUMED)
        ahead = (burst - 1) * bucket.interval * _PROCESSES_ASSUMED
        return max(0.0, self._tat.get(bucket.key, now) - now - ahead - 1e-9)
