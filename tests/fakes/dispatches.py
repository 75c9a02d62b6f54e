"""The dispatches of messages in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.change import Schedule
from messaging.domain.messages.message_state import DispatchKind, MessageKey
from tests.fakes.messages import InMemoryTransaction


class InMemoryDispatches:
    """Knows messages only: nothing else is ever due here."""

    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def lanes_with_work(
        self, kinds: Sequence[DispatchKind], *, throttled: Collection[tuple[DeliverLane, UUID]] = ()
    ) -> Sequence[DispatchKind | DeliverLane]:
        lanes = {
            stored.lane: None
            for stored in self._transaction.due(DispatchKind.DELIVER)
            if DispatchKind.DELIVER in kinds and not any((stored.lane, id) in throttled for id in stored.flow)
        }
        others = [kind for kind in kinds if kind is not DispatchKind.DELIVER and self._transaction.due(kind)]
        return [*lanes, *others]

    async def postpone(
        self, waits: Mapping[MessageKey, timedelta], *, kind: DispatchKind = DispatchKind.DELIVER
    ) -> None:
        for stored in await self._transaction.lock(waits):
            if stored.waits_for(kind):
                due_at = self._transaction.now + waits[stored.state.key]
                self._transaction.write(replace(stored, dispatch=Schedule(kind=kind, due_at=due_at)))

    async def unschedule(self, keys: Sequence[MessageKey]) -> None:
        for stored in await self._transaction.lock(keys):
            self._transaction.write(replace(stored, dispatch=None))
