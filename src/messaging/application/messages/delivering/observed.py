"""A message's state as this process last read or wrote it, without a lock on the row."""

from datetime import timedelta
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.transitions.projection import project


class Observed(Struct, frozen=True):
    """Where a message stood at `at`, by this process's clock. What is decided on it must be compared when written."""

    message: MessageState
    at: float

    def by_now(self) -> MessageState:
        """The same with the time since then: no clock but the database's own ever says what time it is."""
        return replace(self.message, now=self.message.now + timedelta(seconds=monotonic() - self.at))


def after(message: MessageState, change: Change, at: float) -> Observed:
    """Of a message whose change was decided on what was seen of it at `at`, and is written."""
    return Observed(project(message, change, now=message.now), at)
