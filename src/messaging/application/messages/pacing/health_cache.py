"""This process's copy of the health of senders and accounts, which all processes share in Redis.

While Redis is away, the last known health stays in use and changes are kept here only; once Redis is back, what it
holds counts again, even where it has lost data.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final

from msgspec import Struct

from messaging.application.ports.clock import Clock
from messaging.application.ports.sender_health import HealthChange, HealthRecords, HealthRecordsUnavailable
from messaging.application.ports.telemetry import Telemetry
from messaging.domain.messages.pacing.breaker import BreakerState
from messaging.domain.messages.pacing.sender_health import HEALTHY, Health, Subject
from messaging.domain.messages.retry import Scope
from messaging.domain.shared.ids import Prefix, typeid

log = logging.getLogger(__name__)

# Seconds after which a health that no caller asked for is dropped from the cache.
_FORGOTTEN_SECONDS: Final = 60.0


class _Known(Struct, frozen=True):
    health: Health
    read_at: float


class HealthCache:
    """`fresh_for` is how many seconds a read health is used, so that not every claim reads it again."""

    def __init__(self, *, records: HealthRecords, clock: Clock, telemetry: Telemetry, fresh_for: float = 0.25) -> None:
        self._records = records
        self._telemetry = telemetry
        self._fresh_for = fresh_for
        # The shared clock's time less this process's; until Redis has told its time, the machine's clock stands for it.
        self._ahead = clock.now().timestamp() - monotonic()
        self._known: dict[Subject, _Known] = {}

    def now(self) -> float:
        """The clock that all processes share, in seconds."""
        return monotonic() + self._ahead

    def of(self, subject: Subject) -> Health:
        """The health as last read or changed here."""
        known = self._known.get(subject)
        return HEALTHY if known is None else known.health

    async def look(self, subjects: Iterable[Subject]) -> None:
        """Read the health of subjects that were not read within `fresh_for`."""
        trusted_since = monotonic() - self._fresh_for
        stale = [it for it in subjects if (known := self._known.get(it)) is None or known.read_at <= trusted_since]
        if stale:
            await self.read(stale)

    async def read(self, subjects: Sequence[Subject]) -> None:
        try:
            sight = await self._records.read(subjects)
        except HealthRecordsUnavailable:
            found = {subject: self.of(subject) for subject in subjects}
        else:
            self._ahead = sight.now - monotonic()
            found = {subject: sight.known.get(subject, HEALTHY) for subject in subjects}
        for subject, health in found.items():
            self._remember(subject, health)
        oldest = monotonic() - _FORGOTTEN_SECONDS
        self._known = {subject: known for subject, known in self._known.items() if known.read_at > oldest}
        self._count_open()

    async def change(self, changes: Sequence[HealthChange]) -> frozenset[Subject]:
        """Write changes by compare-and-set; returns the subjects whose change was made. For others the next `look`
        reads what another process wrote.
        """
        if not changes:
            return frozenset()
        try:
            swapped = await self._records.swap(changes)
        except HealthRecordsUnavailable:
            swapped = [True] * len(changes)
        made = [change for change, done in zip(changes, swapped, strict=True) if done]
        for change in changes:
            self._known.pop(change.subject, None)
        for change in made:
            self._remember(change.subject, change.new)
            self._announce(change)
        self._count_open()
        return frozenset(change.subject for change in made)

    def _remember(self, subject: Subject, health: Health) -> None:
        self._known[subject] = _Known(health, monotonic())

    def _count_open(self) -> None:
        stopped = Counter(
            subject.scope
            for subject, known in self._known.items()
            if known.health.breaker.state is not BreakerState.CLOSED
        )
        for scope in (Scope.SENDER, Scope.ACCOUNT):
            self._telemetry.gauge("breakers_open", stopped[scope], scope=scope)

    def _announce(self, change: HealthChange) -> None:
        before, after, scope = change.old.breaker, change.new.breaker, change.subject.scope
        if before.state is not after.state:
            self._telemetry.count("breaker_changes", scope=scope, state=after.state)
            told = before if after.state is BreakerState.CLOSED else after
            log.warning(
                f"breaker.{after.state}",
                extra=_ids(change.subject) | {"trouble": told.trouble, "code": told.code, "openings": told.openings},
            )
        if change.old.pace.lowered_at != change.new.pace.lowered_at:
            log.info("pace.lowered", extra=_ids(change.subject) | {"factor": change.new.pace.factor})


def _ids(subject: Subject) -> dict[str, object]:
    if subject.scope is Scope.ACCOUNT:
        return {"account_id": typeid(Prefix.ACCOUNT, subject.id)}
    return {"sender_id": typeid(Prefix.SENDER, subject.id)}
