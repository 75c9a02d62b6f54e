"""Port for webhooks as received: the bytes are stored before they are parsed, processed later, and replayable."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import AccountId, TenantId, WebhookId


class RawWebhook(Struct, frozen=True, kw_only=True):
    """A webhook as received. `sealed` holds its headers and body, encrypted; `digest` is the SHA-256 of the body, by
    which repetitions within an account are recognised.
    """

    id: WebhookId
    tenant_id: TenantId
    account_id: AccountId
    provider: str
    digest: bytes
    sealed: bytes
    received_at: datetime


class WebhookStore(Protocol):
    """The write of the process that receives webhooks. Each call is a transaction of its own."""

    async def store_many(self, batch: Sequence[RawWebhook]) -> Sequence[bool]:
        """Store webhooks, each with a `process_webhook` dispatch, and commit durably; False for repetitions."""
        ...


class RawWebhooks(Protocol):
    """Stored webhooks. Bound to an open transaction of the platform."""

    async def lock_due(self, limit: int) -> Sequence[RawWebhook]:
        """Webhooks that are not processed yet, oldest first, locked; those that other transactions
        locked are skipped.
        """
        ...

    async def processed(self, done: Sequence[RawWebhook]) -> None:
        """Mark webhooks as processed; they are kept."""
        ...

    async def set_aside(self, webhook: RawWebhook, *, problem: str) -> None:
        """Mark a webhook as failed, with the reason. It is processed again only after `put_back`."""
        ...

    async def put_back(self, limit: int) -> int:
        """Make up to `limit` failed webhooks due again, those that failed first first; returns how many."""
        ...

    async def put_back_connected(self, limit: int) -> int:
        """Make webhooks due again whose messages went to a number that has become a sender since; returns how many.

        The provider events that stood in for those messages are deleted.
        """
        ...
