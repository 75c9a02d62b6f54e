"""Port for the health of senders and accounts, shared by all processes. Lost health is rebuilt from later sends."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.pacing.sender_health import Health, Subject


class HealthRecordsUnavailable(Exception):
    """The shared memory cannot be reached; every process goes by what it learns itself."""


class Sight(Struct, frozen=True):
    """`now` is the shared clock, in seconds; healthy ones may be missing from `known`."""

    now: float
    known: Mapping[Subject, Health]


class HealthChange(Struct, frozen=True):
    subject: Subject
    old: Health
    new: Health


class HealthRecords(Protocol):
    """Each call is one round trip, however many it concerns. Raises HealthRecordsUnavailable."""

    async def read(self, subjects: Sequence[Subject]) -> Sight: ...

    async def swap(self, changes: Sequence[HealthChange]) -> Sequence[bool]:
        """Compare and set, each for itself: False where somebody else was faster."""
        ...
