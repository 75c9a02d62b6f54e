"""Port for messages' dispatches (their outbox rows): which lanes have one due, and changes of when one is due."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message_state import DispatchKind, MessageKey


class Dispatches(Protocol):
    """Dispatches of all tenants, read and changed within an open transaction of the platform."""

    async def lanes_with_work(
        self, kinds: Sequence[DispatchKind], *, throttled: Collection[tuple[DeliverLane, UUID]] = ()
    ) -> Sequence[DispatchKind | DeliverLane]:
        """The work that is due now: a `DeliverLane` for each lane with a due `deliver` dispatch, other kinds by name.

        `throttled` holds pairs of a lane and the id of a tenant, a sender or a template: dispatches of that lane whose
        flow contains the id do not count.
        """
        ...

    async def postpone(
        self, waits: Mapping[MessageKey, timedelta], *, kind: DispatchKind = DispatchKind.DELIVER
    ) -> None:
        """Make the dispatches of locked messages due after these waits from now, where they are of this kind."""
        ...

    async def unschedule(self, keys: Sequence[MessageKey]) -> None:
        """Delete the dispatches of locked messages for which nothing is to be done any more."""
        ...
