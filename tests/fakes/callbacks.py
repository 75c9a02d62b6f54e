"""Stored callbacks and parked receipts in dicts: both the store of the webhooks process and the worker's side."""

from collections.abc import Sequence
from datetime import UTC, datetime

from messaging.application.ports.callbacks import ParkedReceipt, RawCallback
from messaging.domain.messages.receipts import Receipt
from messaging.domain.shared.ids import AccountId, CallbackId, TenantId

_Place = tuple[TenantId, AccountId, Receipt]


class InMemoryCallbacks:
    """`waiting` and `aside` (with the problem) by id; `parked` with the instant of the next look, None for soon."""

    def __init__(self) -> None:
        self.waiting: dict[CallbackId, RawCallback] = {}
        self.aside: dict[CallbackId, tuple[RawCallback, str]] = {}
        self.parked: dict[_Place, tuple[ParkedReceipt, datetime | None]] = {}
        self._digests: set[tuple[AccountId, bytes]] = set()

    async def store_many(self, batch: Sequence[RawCallback]) -> Sequence[bool]:
        return [self._store(callback) for callback in batch]

    def _store(self, callback: RawCallback) -> bool:
        fresh = (callback.account_id, callback.digest) not in self._digests
        if fresh:
            self._digests.add((callback.account_id, callback.digest))
            self.waiting[callback.id] = callback
        return fresh

    async def lock_due(self, limit: int) -> Sequence[RawCallback]:
        return list(self.waiting.values())[:limit]

    async def processed(self, done: Sequence[RawCallback]) -> None:
        for callback in done:
            del self.waiting[callback.id]

    async def set_aside(self, callback: RawCallback, *, problem: str) -> None:
        del self.waiting[callback.id]
        self.aside[callback.id] = (callback, problem)

    async def put_back(self, limit: int) -> int:
        chosen = list(self.aside)[:limit]
        for id in chosen:
            self.waiting[id], _ = self.aside.pop(id)
        return len(chosen)

    async def put_back_connected(self, limit: int) -> int:
        """Nothing: it knows of no senders."""
        return 0

    async def park(self, parked: Sequence[ParkedReceipt]) -> None:
        for item in parked:
            self.parked.setdefault(_place(item), (item, None))

    async def lock_parked(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Sequence[ParkedReceipt]:
        return [
            item
            for item, _ in self.parked.values()
            if (item.account_id, item.receipt.provider_message_id) in provider_ids
        ]

    async def lock_parked_due(self, limit: int) -> Sequence[ParkedReceipt]:
        now = datetime.now(UTC)
        return [item for item, at in self.parked.values() if at is not None and at <= now][:limit]

    async def unpark(self, matched: Sequence[ParkedReceipt]) -> None:
        for item in matched:
            self.parked.pop(_place(item), None)

    async def park_again(self, unmatched: Sequence[tuple[ParkedReceipt, datetime | None]]) -> None:
        for item, at in unmatched:
            again = ParkedReceipt(
                tenant_id=item.tenant_id,
                account_id=item.account_id,
                receipt=item.receipt,
                parked_at=item.parked_at,
                tries=item.tries + 1,
            )
            del self.parked[_place(item)]
            if at is not None:
                self.parked[_place(again)] = (again, at)


def _place(item: ParkedReceipt) -> _Place:
    return item.tenant_id, item.account_id, item.receipt
