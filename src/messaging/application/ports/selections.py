"""Port that selects the messages that an operator's bulk action applies to."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from messaging.application.ports.records import MessageFilter
from messaging.domain.shared.ids import AccountId, MessageId


class Selections(Protocol):
    """Selects a tenant's messages of one mode within an open transaction; those of the other mode are not found."""

    async def undecided(self, wanted: MessageFilter, *, limit: int) -> Sequence[MessageId]:
        """Messages that match and about which no person has decided, newest first.

        A person has decided about a dead message whose letter is settled, and about one that was resolved as failed.
        """
        ...

    async def known(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        """Those of the ids whose messages exist."""
        ...

    async def under_way(self, account_id: AccountId, *, most: int) -> int:
        """The number of an account's messages that still may be sent or whose outcome is unknown; at most `most`."""
        ...
