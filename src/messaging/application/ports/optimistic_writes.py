"""Port for changes of messages that are not locked, written by compare-and-set."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import AccountId


class OptimisticWrites(Protocol):
    """Writes that need no locks: each call is a transaction of its own and one round trip.

    Raises StoreUnavailable; then it is unknown which changes were written.
    """

    async def write(self, changes: Sequence[Change]) -> AbstractSet[MessageKey]:
        """Write changes of different messages, each wholly or not at all; returns the messages whose changes are
        durable.

        A change is not written if its message has moved since the change was decided, or if it needs more than one
        statement. `Lifecycles.apply` writes such changes.
        """
        ...

    async def any_parked(self, learnt: Sequence[tuple[AccountId, str]]) -> bool:
        """Whether a receipt with one of these provider ids is parked."""
        ...
