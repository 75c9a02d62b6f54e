"""Stored webhooks in dicts: both the store of the webhooks process and the worker's side."""

from collections.abc import Sequence

from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.domain.shared.ids import AccountId, WebhookId


class InMemoryRawWebhooks:
    """`waiting` and `aside` (with the problem) by id; `received` are all that ever were stored."""

    def __init__(self) -> None:
        self.received: list[RawWebhook] = []
        self.waiting: dict[WebhookId, RawWebhook] = {}
        self.aside: dict[WebhookId, tuple[RawWebhook, str]] = {}
        self._digests: set[tuple[AccountId, bytes]] = set()

    async def store_many(self, batch: Sequence[RawWebhook]) -> Sequence[bool]:
        return [self._store(webhook) for webhook in batch]

    def _store(self, webhook: RawWebhook) -> bool:
        fresh = (webhook.account_id, webhook.digest) not in self._digests
        if fresh:
            self._digests.add((webhook.account_id, webhook.digest))
            self.received.append(webhook)
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
