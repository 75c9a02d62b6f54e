"""Message states in memory, read under lock and changed by compare-and-set."""

from collections.abc import Mapping, Sequence

from messaging.application.ports.lifecycles import StaleChange
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState
from tests.fakes.messages import InMemoryTransaction


class InMemoryLifecycles:
    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def lock(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, MessageState]:
        locked = await self._transaction.lock(keys)
        now = self._transaction.now
        return {stored.state.key: stored.at(now) for stored in locked}

    async def apply(self, changes: Sequence[Change]) -> None:
        stored = {locked.state.key: locked for locked in await self._transaction.lock(change.key for change in changes)}
        for change in changes:
            if not is_current(change, stored[change.key].state):
                raise StaleChange
        for change in changes:
            self._transaction.write(stored[change.key].after(change, self._transaction.now))


def is_current(change: Change, state: MessageState) -> bool:
    """Whether the message is where the change expects it."""
    return (change.expected_seq, change.previous) == (state.seq, state.state)
