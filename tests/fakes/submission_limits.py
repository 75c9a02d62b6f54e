"""Submission limits in memory: the same windows as the real ones, by a clock that tests move."""

from collections.abc import Sequence

from messaging.application.ports.submission_limits import Balance, Exceeded, Taken, Wanted


class InMemorySubmissionLimits:
    """`now` is in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._windows: dict[tuple[str, int], tuple[int, float]] = {}

    async def take(self, wanted: Sequence[Wanted]) -> Taken | Exceeded:
        balances = [self._balance(each) for each in wanted]
        short = [it for it, each in zip(balances, wanted, strict=True) if it.remaining < each.count]
        if short:
            return Exceeded(max(short, key=lambda it: it.resets_in), tuple(balances))
        for each, it in zip(wanted, balances, strict=True):
            used = each.policy.quota.messages - it.remaining + each.count
            self._windows[each.counter, each.policy.quota.seconds] = used, self.now + it.resets_in
        return Taken(tuple(self._balance(each) for each in wanted))

    def _balance(self, each: Wanted) -> Balance:
        quota = each.policy.quota
        used, ends = self._windows.get((each.counter, quota.seconds), (0, 0.0))
        if ends <= self.now:
            used, ends = 0, self.now + quota.seconds
        return Balance(each.policy, quota.messages - used, ends - self.now)
