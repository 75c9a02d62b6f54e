"""The dead letters of messages in memory."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from messaging.application.ports.dead_letters import DeadLetterRow
from messaging.domain.messages.change import Entry
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId
from tests.fakes.messages import InMemoryTransaction, StoredMessage


class InMemoryDeadLetters:
    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def page(self, *, before: MessageId | None, limit: int, open_only: bool) -> Sequence[DeadLetterRow]:
        letters = [it.letter for it in self._transaction.all() if it.letter is not None]
        shown = [
            letter
            for letter in sorted(letters, key=lambda letter: letter.message_id, reverse=True)
            if (before is None or letter.message_id < before) and not (open_only and letter.resolved_at is not None)
        ]
        return shown[:limit]

    async def find(self, id: MessageId) -> DeadLetterRow | None:
        return next((it.letter for it in self._transaction.all() if it.accepted.id == id), None)

    async def open_among(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        return {it.accepted.id for it in self._open(ids)}

    async def discard(self, ids: Collection[MessageId], *, by: str, reason: str) -> AbstractSet[MessageId]:
        told = Entry(type="dead_letter.discarded", state=State.DEAD, detail={"by": by, "reason": reason})
        now, found = self._transaction.now, self._open(ids)
        for it in found:
            assert it.letter is not None
            self._transaction.write(
                replace(
                    it,
                    state=replace(it.state, seq=it.state.seq + 1),
                    entries=(*it.entries, told),
                    letter=replace(it.letter, resolved_at=now, resolution="discarded"),
                    updated_at=now,
                )
            )
        return {it.accepted.id for it in found}

    def _open(self, ids: Collection[MessageId]) -> list[StoredMessage]:
        return [it for it in self._transaction.all() if it.accepted.id in ids and has_open_letter(it)]


def has_open_letter(stored: StoredMessage) -> bool:
    return stored.letter is not None and stored.letter.resolved_at is None
