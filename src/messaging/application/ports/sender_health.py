"""Port for the health of senders and accounts, shared by all processes. Lost health is rebuilt from later sends."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.pacing.sender_health import Health, Subject


class HealthRecordsUnavailable(Exception):
    """Redis cannot be reached; each process then uses only the health that it has observed itself."""


class Sight(Struct, frozen=True):
    """Health as read. `now` is Redis's clock, in seconds; subjects without a record are missing from `known`."""

    now: float
    known: Mapping[Subject, Health]


class HealthChange(Struct, frozen=True):
    """A change of one subject's health, written only if the stored health is still `old`."""

    subject: Subject
    old: Health
    new: Health


class HealthRecords(Protocol):
    """Health of senders and accounts in Redis. Each call is one round trip. Raises HealthRecordsUnavailable."""

    async def read(self, subjects: Sequence[Subject]) -> Sight: ...

    async def swap(self, changes: Sequence[HealthChange]) -> Sequence[bool]:
        """Write each change by itself if its `old` is still stored; False for those that were not written."""
        ...
