"""Stored webhooks and parked receipts in dicts: both the store of the webhooks process and the worker's side."""

from collections.abc import Sequence
from datetime import UTC, datetime

from messaging.application.ports.raw_webhooks import ParkedReceipt, RawWebhook
from messaging.domain.messages.receipts import Receipt
from messaging.domain.shared.ids import AccountId, TenantId, WebhookId

_Place = tuple[TenantId, AccountId, Receipt]


class InMemoryRawWebhooks:
    """`waiting` and `aside` (with the problem) by id; `parked` with the instant of the next look, None for soon."""

    def __init__(self) -> None:
        self.waiting: dict[WebhookId, RawWebhook] = {}
        self.aside: dict[WebhookId, tuple[RawWebhook, str]] = {}
        self.parked: dict[_Place, tuple[ParkedReceipt, datetime | None]] = {}
        self._digests: set[tuple[AccountId, bytes]] = set()

    async def store_many(self, batch: Sequence[RawWebhook]) -> Sequence[bool]:
        return [self._store(webhook) for webhook in batch]

    def _store(self, webhook: RawWebhook) -> bool:
        fresh = (webhook.account_id, webhook.digest) not in self._digests
        if fresh:
            self._digests.add((webhook.account_id, webhook.digest))
            self.waiting[webhook.id] = webhook
        return fresh

    async def lock_due(self, limit: int) -> Sequence[RawWebhook]:
        return list(self.waiting.values())[:limit]

    async def processed(self, done: Sequence[RawWebhook]) -> None:
        for webhook in done:
            del self.waiting[webhook.id]

    async def set_aside(self, webhook: RawWebhook, *, problem: str) -> None:
        del self.waiting[webhook.id]
        self.aside[webhook.id] = (webhook, problem)

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
