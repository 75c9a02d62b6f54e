"""Port for dead letters: messages that only a person can send again, open or settled."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import MessageId


class DeadLetterRow(Struct, frozen=True, kw_only=True):
    message_id: MessageId
    code: str
    reason: str
    died_at: datetime
    resolved_at: datetime | None
    resolution: str | None


class DeadLetters(Protocol):
    """Bound to a tenant and a mode, as the unit of work is: a letter has the mode of its message."""

    async def page(self, *, before: MessageId | None, limit: int, open_only: bool) -> Sequence[DeadLetterRow]: ...

    async def find(self, id: MessageId) -> DeadLetterRow | None: ...

    async def open_among(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        """Those of the messages whose dead letter nobody has settled; certain while the messages are locked."""
        ...

    async def discard(self, ids: Collection[MessageId], *, by: str, reason: str) -> AbstractSet[MessageId]:
        """Settle open letters of locked messages without sending, with a timeline entry each; returns which."""
        ...
