"""The system clock and the UUIDv7 ids that the processes use."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def new_id() -> UUID:
    """A UUIDv7, monotonic within this process."""
    return uuid7()
