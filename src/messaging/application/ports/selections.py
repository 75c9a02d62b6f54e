"""Port that selects the messages that an operator's bulk action applies to."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from messaging.application.ports.records import MessageFilter
from messaging.domain.shared.ids import AccountId, MessageId


class Selections(Protocol):
    """Bound to a tenant and a mode, as the unit of work is: what is of the other mode does not exist here."""

    async def undecided(self, wanted: MessageFilter, *, limit: int) -> Sequence[MessageId]:
        """Messages in one of the wanted states, newest first; dead ones only while their letter is open."""
        ...

    async def known(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        """Those of the messages that exist."""
        ...

    async def under_way(self, account_id: AccountId, *, most: int) -> int:
        """How many messages of an account may still be handed over or are unclear; counts up to `most`."""
        ...
