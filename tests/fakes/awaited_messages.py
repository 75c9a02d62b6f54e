"""Messages whose next news must come from the provider, in memory, and what was heard of their senders meanwhile."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from messaging.domain.messages.message_state import DispatchKind, MessageKey, MessageState
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions.negative_evidence import Evidence
from messaging.domain.shared.ids import SenderId
from tests.fakes.messages import InMemoryTransaction, StoredMessage

_REPORTED = (State.SENT, State.DELIVERED, State.READ)


class InMemoryAwaitedMessages:
    """Knows messages only: no webhook is unread, no receipt unmatched and no sender paused."""

    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def lock_waits_over(self, limit: int) -> Sequence[MessageState]:
        return await self._lock(DispatchKind.RESOLVE_UNKNOWN, limit)

    async def lock_for_polling(self, limit: int) -> Sequence[MessageState]:
        return await self._lock(DispatchKind.POLL_STATUS, limit)

    async def sealed(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, bytes]:
        return {key: self._transaction.read(key).sealed for key in keys}

    async def later_receipts(self, waiting: Sequence[MessageState], *, enough: int) -> Mapping[SenderId, Evidence]:
        started: dict[SenderId, datetime] = {}
        for state in waiting:
            if state.attempt is not None and (began := state.attempt.started_at) is not None:
                started[state.sender_id] = max(began, started.get(state.sender_id, began))
        return {sender: self._evidence(sender, began, enough) for sender, began in started.items()}

    def _evidence(self, sender: SenderId, began: datetime, enough: int) -> Evidence:
        of_sender = (it for it in self._transaction.all() if it.state.sender_id == sender)
        heard = [heard_at for it in of_sender if (heard_at := _heard_at(it, began)) is not None][:enough]
        return Evidence(
            later_receipts=len(heard), heard_until=max(heard, default=None), unread=False, unmatched=False, paused=False
        )

    async def _lock(self, kind: DispatchKind, limit: int) -> Sequence[MessageState]:
        locked = await self._transaction.lock_unlocked(self._transaction.due(kind), limit)
        return [stored.at(self._transaction.now) for stored in locked]


def _heard_at(stored: StoredMessage, began: datetime) -> datetime | None:
    """The time of the last receipt of a message that was sent after `began`; None if there was none."""
    attempt = stored.state.attempt
    if stored.state.state not in _REPORTED or attempt is None or attempt.started_at is None:
        return None
    receipts = [entry.occurred_at for entry in stored.entries if entry.type.startswith("receipt.")]
    return max((at for at in receipts if at is not None and attempt.started_at > began), default=None)
