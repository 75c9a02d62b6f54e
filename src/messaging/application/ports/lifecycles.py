"""Port through which messages change state: it locks them, and writes the changes decided by the domain in bulk."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState


class Lifecycles(Protocol):
    """Messages, locked and changed within an open transaction; a tenant's reaches that tenant's messages only."""

    async def lock(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, MessageState]:
        """Lock messages in key order (so that two batches cannot deadlock); unknown keys are left out."""
        ...

    async def apply(self, changes: Sequence[Change]) -> None:
        """Write changes of rows locked in this transaction, at most one per message.

        Raises StaleChange when a compare-and-set on `seq` is lost.
        """
        ...


class StaleChange(Exception):
    """A change was decided on a state that its message has left; no change of the batch was written."""
