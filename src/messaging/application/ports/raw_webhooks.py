"""Port for webhooks as received: the bytes are stored before they are parsed, processed later, and replayable."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import AccountId, TenantId, WebhookId


class RawWebhook(Struct, frozen=True, kw_only=True):
    """`sealed` holds headers and body, encrypted; `digest` is the SHA-256 of the body and dedupes per account."""

    id: WebhookId
    tenant_id: TenantId
    account_id: AccountId
    provider: str
    digest: bytes
    sealed: bytes
    received_at: datetime


class WebhookStore(Protocol):
    """The webhooks process's one write, outside any unit of work because it is a whole transaction."""

    async def store_many(self, batch: Sequence[RawWebhook]) -> Sequence[bool]:
        """Store with a `process_webhook` dispatch each, synchronously committed; False where the digest was known."""
        ...


class RawWebhooks(Protocol):
    async def lock_due(self, limit: int) -> Sequence[RawWebhook]:
        """Stored and not yet processed, oldest first, locked; rows locked by others are skipped."""
        ...

    async def processed(self, done: Sequence[RawWebhook]) -> None: ...

    async def set_aside(self, webhook: RawWebhook, *, problem: str) -> None:
        """It cannot be processed: keep it with the reason, and do not try again by itself."""
        ...

    async def put_back(self, limit: int) -> int:
        """Let up to `limit` webhooks that were set aside be due again, the longest waiting first; how many it were."""
        ...

    async def put_back_connected(self, limit: int) -> int:
        """The same for webhooks with messages to a number that is a sender by now; their events of it are deleted."""
        ...
