"""The list of workers, in a dict, by a clock that a test may move."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from messaging.application.ports.workers import SeenWorker
from messaging.application.wakeups import DeliverLane

_SILENT, _FORGOTTEN = timedelta(seconds=20), timedelta(days=1)


class _Told(Struct, frozen=True):
    lanes: frozenset[DeliverLane]
    webhooks: bool
    started_at: datetime
    seen_at: datetime


class InMemoryWorkers:
    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._told: dict[str, _Told] = {}

    async def tell(self, name: str, lanes: Collection[DeliverLane], *, webhooks: bool) -> None:
        now = self._clock()
        before = self._told.get(name)
        self._told[name] = _Told(frozenset(lanes), webhooks, now if before is None else before.started_at, now)

    async def leave(self, name: str) -> None:
        self._told.pop(name, None)

    async def seen(self) -> Sequence[SeenWorker]:
        now = self._clock()
        ages = {name: now - told.seen_at for name, told in self._told.items()}
        return [
            SeenWorker(
                name=name,
                lanes=self._told[name].lanes,
                webhooks=self._told[name].webhooks,
                started_at=self._told[name].started_at,
                age=ages[name].total_seconds(),
                is_live=ages[name] <= _SILENT,
            )
            for name in sorted(ages, key=lambda name: ages[name])
            if ages[name] <= _FORGOTTEN
        ]

    def fall_silent(self, name: str, age: timedelta) -> None:
        """As if the worker had last been heard of so long ago."""
        self._told[name] = replace(self._told[name], seen_at=self._clock() - age)
