"""Port for the time and for new ids outside a transaction; inside one, the database's clock is used."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""
        ...


class NewId(Protocol):
    def __call__(self) -> UUID:
        """A UUIDv7: sorts by time of creation."""
        ...
