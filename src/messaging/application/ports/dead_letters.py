"""Port for dead letters: messages that only a person can send again, open or settled."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import MessageId


class DeadLetterRow(Struct, frozen=True, kw_only=True):
    """A dead letter: why the message died, and how the letter was settled; None for both times while it is open."""

    message_id: MessageId
    code: str
    reason: str
    died_at: datetime
    resolved_at: datetime | None
    resolution: str | None


class DeadLetters(Protocol):
    """A tenant's dead letters of one mode, within an open transaction; a dead letter has the mode of its message."""

    async def page(self, *, before: MessageId | None, limit: int, open_only: bool) -> Sequence[DeadLetterRow]:
        """A page of dead letters, those of the newest messages first."""
        ...

    async def find(self, id: MessageId) -> DeadLetterRow | None: ...

    async def open_among(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        """Those of the messages whose dead letter is open. The answer stays true while the messages are locked."""
        ...

    async def discard(self, ids: Collection[MessageId], *, by: str, reason: str) -> AbstractSet[MessageId]:
        """Settle the open letters of locked messages without sending, and write a timeline entry for each.

        Returns the messages whose letters were settled by this call.
        """
        ...
