"""Names the public event that a step of a message's life is announced as; steps that stay private have none."""

from collections.abc import Iterator
from typing import NamedTuple

from messaging.domain.messages.change import Change
from messaging.domain.messages.state import State, public

# A message that waits, or is being handed over, may be in these states many times: they say nothing to a tenant.
_PRIVATE = frozenset({State.QUEUED.value, State.SENDING.value})
_REQUEUED = "message.requeued"

# The events of an accepted message, whose first entry has the sequence 1.
ACCEPTED = "message.accepted"
SCHEDULED = "message.scheduled"


class Announced(NamedTuple):
    """A public event of a message: its timeline entry's number, and its type, such as `message.delivered`."""

    sequence: int
    type: str


def first_event(state: State) -> str:
    """The event of an accepted message: `message.scheduled` if it has to wait for its `send_at`."""
    return SCHEDULED if state is State.SCHEDULED else ACCEPTED


def announced(change: Change) -> Iterator[Announced]:
    """The public events of a change, in the order of its entries: one for each entry that moves the message into
    another public state, and one where it is put back into the queue to be sent again.
    """
    before = public(change.previous)
    for sequence, entry in enumerate(change.entries, start=change.expected_seq + 1):
        after = public(entry.state)
        if entry.type == _REQUEUED:
            yield Announced(sequence, _REQUEUED)
        elif after != before and after not in _PRIVATE:
            yield Announced(sequence, f"message.{after}")
        before = after
