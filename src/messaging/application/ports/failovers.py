"""Port that tells whether the database is the server that was written to, or a restored or promoted copy of it."""

from collections.abc import Sequence
from typing import Protocol

from messaging.domain.messages.message_state import MessageKey


class Failovers(Protocol):
    """Bound to an open transaction of the platform's.

    A server with another identity (restored from a backup, promoted from a replica) may lack the newest writes. From
    the moment it is seen until `settle`, nothing may be claimed in it.
    """

    async def claims_are_open(self) -> bool:
        """Whether messages may be claimed in this very transaction."""
        ...

    async def notice(self) -> bool:
        """Note a switch when it is first seen; whether one is to be settled. Needs a commit."""
        ...

    async def take_turn(self) -> bool:
        """Whether a switch is to be settled and this transaction is the one to do it; others see False meanwhile."""
        ...

    async def doubtful(self, limit: int) -> Sequence[MessageKey]:
        """Messages that were due before the switch, or held by a worker, and are not put aside yet; takes no locks."""
        ...

    async def settle(self) -> None:
        """Let claims begin again."""
        ...
