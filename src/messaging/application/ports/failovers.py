"""Port that tells whether the database is the server that was written to, or a restored or promoted copy of it."""

from collections.abc import Sequence
from typing import Protocol

from messaging.domain.messages.message_state import MessageKey


class Failovers(Protocol):
    """Switches of the database server, noticed and settled within an open transaction of the platform.

    A server with another identity (restored from a backup, promoted from a replica) may lack the newest writes. From
    the moment such a switch is noticed until `settle`, no message may be claimed.
    """

    async def claims_are_open(self) -> bool:
        """Whether messages may be claimed in this very transaction."""
        ...

    async def notice(self) -> bool:
        """Write down a switch when it is first seen; returns whether a switch is to be settled. Needs a commit."""
        ...

    async def take_turn(self) -> bool:
        """Whether a switch is to be settled and this transaction may do it; other transactions get False meanwhile."""
        ...

    async def doubtful(self, limit: int) -> Sequence[MessageKey]:
        """Messages whose sends may have been forgotten: due before the switch, or held by a worker; takes no locks.

        Messages that were dealt with since the switch are left out.
        """
        ...

    async def settle(self) -> None:
        """Mark the switch as settled, after which messages may be claimed again."""
        ...
