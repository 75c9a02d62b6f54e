"""Port for changes of messages that are not locked, written by compare-and-set."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import AccountId


class OptimisticWrites(Protocol):
    """What can be done without locking messages first: each call is a transaction by itself, and a single round trip.

    Raises StoreUnavailable; then it is not known what was written.
    """

    async def write(self, changes: Sequence[Change]) -> AbstractSet[MessageKey]:
        """Write changes of different messages, each wholly or not at all; returns those that are written, durably.

        The others have moved since they were decided on, or need more than this; they are for `Lifecycles.apply`.
        """
        ...

    async def any_parked(self, learnt: Sequence[tuple[AccountId, str]]) -> bool:
        """Whether a receipt with one of these provider ids is parked."""
        ...
