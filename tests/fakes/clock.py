"""A clock that stands until a test moves it, and ids that can be foreseen."""

from datetime import datetime, timedelta
from uuid import UUID

from tests.builders import NOON


class FixedClock:
    """It is noon, unless a test says otherwise."""

    def __init__(self, now: datetime = NOON) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def go_on(self, by: timedelta) -> None:
        self.time += by


class SequentialIds:
    """UUIDv7s of 1970: the first, the second and so on."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> UUID:
        self.given += 1
        return UUID(int=(7 << 76) | (2 << 62) | self.given)
