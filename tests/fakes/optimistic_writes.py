"""Changes of messages that nobody holds locked, in memory: each wholly or not at all, by compare-and-set."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId
from tests.fakes.lifecycles import is_current
from tests.fakes.messages import InMemoryMessages
from tests.fakes.parked_receipts import InMemoryParkedReceipts


class InMemoryOptimisticWrites:
    """`fails_with`, once set, is raised instead of writing."""

    def __init__(self, messages: InMemoryMessages, parked: InMemoryParkedReceipts) -> None:
        self._messages = messages
        self._parked = parked
        self.fails_with: Exception | None = None

    async def write(self, changes: Sequence[Change]) -> AbstractSet[MessageKey]:
        if self.fails_with is not None:
            raise self.fails_with
        written: set[MessageKey] = set()
        async with self._messages.transaction() as transaction:
            for change in changes:
                for stored in await transaction.lock([change.key]):
                    if is_current(change, stored.state) and _is_plain(change):
                        transaction.write(stored.after(change, transaction.now))
                        written.add(change.key)
            transaction.commit()
        return written

    async def any_parked(self, learnt: Sequence[tuple[AccountId, str]]) -> bool:
        return bool(await self._parked.lock(learnt))


def _is_plain(change: Change) -> bool:
    """Whether it is a first attempt's, and neither buries a message nor raises one from the dead."""
    return change.epoch == 1 and State.DEAD not in (change.previous, change.state)
