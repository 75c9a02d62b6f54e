"""A start is written as the message was claimed, but only while nobody else can have claimed it since."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any

import pytest

from messaging.application.messages.delivering import claim as claim_module
from messaging.application.messages.delivering.claim import Claim, Observed
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.mark_started import MarkStarted
from messaging.application.ports.due_messages import Due
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from tests.builders import TEMPLATE, a_state
from tests.fakes.optimistic_writes import InMemoryOptimisticWrites
from tests.fakes.unit_of_work import InMemoryStore

TERMS = DeliveryTerms(worker="w1", lease=timedelta(seconds=30))
CLAIMED = a_state(State.CLAIMED)


class Writes(InMemoryOptimisticWrites):
    """Keeps what it was asked to write; every change finds its message as it was claimed."""

    def __init__(self, store: InMemoryStore) -> None:
        super().__init__(store.messages, store.parked_receipts)
        self.asked: list[Change] = []

    async def write(self, changes: Sequence[Change]) -> AbstractSet[MessageKey]:
        self.asked += changes
        return {change.key for change in changes}


@pytest.mark.parametrize(("seconds", "written"), [(0.0, 1), (29.9, 1), (30.0, 0), (31.0, 0)])
async def test_a_start_is_written_without_a_lock_while_the_lease_lasts_and_no_longer(
    seconds: float, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = InMemoryStore()
    writes = Writes(store)
    open_uow: Any = store.open_uow
    mark_started = MarkStarted(open_uow=open_uow, optimistic_writes=writes, terms=TERMS)
    monkeypatch.setattr(claim_module, "monotonic", lambda: 1_000.0 + seconds)
    due = Due(message=CLAIMED, sealed=b"", flow_id=TEMPLATE, recipient_index=b"")

    started = await mark_started(Claim(CLAIMED.key, 1, due, observed=Observed(CLAIMED, at=1_000.0)))

    assert len(writes.asked) == written
    # Under the lock the message is not found any more: it was somebody else's to send.
    assert (started is not None) == bool(written)
