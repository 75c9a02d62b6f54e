"""A message's state as this process last read or wrote it, without a lock on the row."""

from datetime import timedelta
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.transitions.projection import project


class Observed(Struct, frozen=True):
    """A message's state at `at`, by this process's clock. A change decided on it must be written by compare-and-set."""

    message: MessageState
    at: float

    def by_now(self) -> MessageState:
        """The state with `now` advanced by the time since `at`, so that the time stays that of the database's clock."""
        return replace(self.message, now=self.message.now + timedelta(seconds=monotonic() - self.at))


def after(message: MessageState, change: Change, at: float) -> Observed:
    """The state after a written change that was decided on what was observed at `at`."""
    return Observed(project(message, change, now=message.now), at)
