"""What is known of a message that was written just now and is locked by nobody any more."""

from datetime import timedelta
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from messaging.domain.messages.aftermath import stands_after
from messaging.domain.messages.change import Change
from messaging.domain.messages.standing import Standing


class Sighting(Struct, frozen=True):
    """Where a message stood at `at`, by this process's clock. What is decided on it must be compared when written."""

    standing: Standing
    at: float

    def by_now(self) -> Standing:
        """The same with the time since then: no clock but the database's own ever says what time it is."""
        return replace(self.standing, now=self.standing.now + timedelta(seconds=monotonic() - self.at))


def after(standing: Standing, change: Change, at: float) -> Sighting:
    """Of a message whose change was decided on what was seen of it at `at`, and is written."""
    return Sighting(stands_after(standing, change, now=standing.now), at)
