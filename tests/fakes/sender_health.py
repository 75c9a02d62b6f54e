"""The shared health of senders in memory, by a clock that tests can put forward."""

from collections.abc import Callable, Sequence

from messaging.application.ports.sender_health import HealthChange, HealthRecordsUnavailable, Sight
from messaging.domain.messages.pacing.sender_health import HEALTHY, Health, Subject


class InMemoryHealthRecords:
    """Unless given a `clock`, time stands still but for what tests let pass. While `away`, nobody reaches it."""

    def __init__(self, *, clock: Callable[[], float] = lambda: 1_000.0) -> None:
        self._clock = clock
        self.passed = 0.0
        self.away = False
        self.records: dict[Subject, Health] = {}

    async def read(self, subjects: Sequence[Subject]) -> Sight:
        self._reach()
        return Sight(
            self._clock() + self.passed,
            {subject: self.records[subject] for subject in subjects if subject in self.records},
        )

    async def swap(self, changes: Sequence[HealthChange]) -> Sequence[bool]:
        self._reach()
        return [self._swap(change) for change in changes]

    def _swap(self, change: HealthChange) -> bool:
        same = self.records.get(change.subject, HEALTHY) == change.old
        if same:
            self.records[change.subject] = change.new
        return same

    def _reach(self) -> None:
        if self.away:
            raise HealthRecordsUnavailable
