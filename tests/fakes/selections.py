"""Chooses messages in memory for an operator's bulk action."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

from messaging.application.ports.records import MessageFilter
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, MessageId
from tests.fakes.dead_letters import has_open_letter
from tests.fakes.messages import InMemoryTransaction, StoredMessage
from tests.fakes.records import matches


class InMemorySelections:
    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def undecided(self, wanted: MessageFilter, *, limit: int) -> Sequence[MessageId]:
        found = (it for it in self._transaction.all() if matches(it, wanted) and not _is_decided(it))
        return sorted((it.accepted.id for it in found), reverse=True)[:limit]

    async def known(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        return {it.accepted.id for it in self._transaction.all()} & {*ids}

    async def under_way(self, account_id: AccountId, *, most: int) -> int:
        kinds = (DispatchKind.DELIVER, DispatchKind.RESOLVE_UNKNOWN)
        of_account = (it for it in self._transaction.all() if it.state.account_id == account_id)
        return min(most, sum(any(map(it.waits_for, kinds)) for it in of_account))


def _is_decided(stored: StoredMessage) -> bool:
    """Whether a person has decided about it, though it keeps its state."""
    if stored.state.state is State.DEAD:
        return not has_open_letter(stored)
    code = stored.error and stored.error.code
    return stored.state.state is State.FAILED and code == "resolved_by_operator"
