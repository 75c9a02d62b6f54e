"""Attempts in memory: found by the provider's message ids, and by what a person knew of them."""

from collections.abc import Mapping, Sequence

from messaging.application.ports.attempts import AttemptRef
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import AccountId
from tests.fakes.messages import InMemoryTransaction


class InMemoryAttempts:
    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def find(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Mapping[tuple[AccountId, str], AttemptRef]:
        found = {
            (stored.state.account_id, provider_id): AttemptRef(key=stored.state.key, epoch=epoch)
            for stored in self._transaction.all()
            for epoch, provider_id in sorted(stored.provider_ids.items())
        }
        return {wanted: found[wanted] for wanted in provider_ids if wanted in found}

    async def known_failed(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, int]:
        return {
            key: attempt
            for key in keys
            for entry in self._transaction.read(key).entries
            if entry.type == "message.requeued" and isinstance(attempt := entry.detail.get("failed_attempt"), int)
        }
