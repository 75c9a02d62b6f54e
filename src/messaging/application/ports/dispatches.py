"""Port for messages' dispatches (their outbox rows): which lanes have one due, and changes of when one is due."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from messaging.application.jobs import DeliverLane
from messaging.domain.messages.message_state import DispatchKind, MessageKey


class Dispatches(Protocol):
    """Bound to an open transaction of the platform."""

    async def lanes_with_work(
        self, kinds: Sequence[DispatchKind], *, throttled: Collection[tuple[DeliverLane, UUID]] = ()
    ) -> Sequence[DispatchKind | DeliverLane]:
        """Lanes that have something due now: a `DeliverLane` for `deliver`, the kind itself for the others.

        What is due in flows of which an id rests in that lane does not count.
        """
        ...

    async def postpone(
        self, waits: Mapping[MessageKey, timedelta], *, kind: DispatchKind = DispatchKind.DELIVER
    ) -> None:
        """Let dispatches of this kind of locked messages be due so much later than now; nothing else changes."""
        ...

    async def unschedule(self, keys: Sequence[MessageKey]) -> None:
        """Delete stale dispatches."""
        ...
