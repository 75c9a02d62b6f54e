"""Port for the time and for new ids outside a transaction; inside one, the database's clock is used."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    def now(self) -> datetime:
        """The present time, with time zone UTC."""
        ...


class NewId(Protocol):
    def __call__(self) -> UUID:
        """A new UUIDv7; UUIDv7s sort by their time of creation."""
        ...
