"""Port for receipts that match no attempt yet, kept until one matches or their last look is over."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.receipts import Receipt
from messaging.domain.shared.ids import AccountId, TenantId


class ParkedReceipt(Struct, frozen=True, kw_only=True):
    """A receipt that matches no attempt yet: it overtook the commit of our send, or another app sent the message.

    `digest` identifies a receipt that is stored; it is empty for one that is not.
    """

    tenant_id: TenantId
    account_id: AccountId
    receipt: Receipt
    parked_at: datetime
    tries: int
    digest: bytes = b""


class ParkedReceipts(Protocol):
    """Receipts that match no attempt yet, kept and found within an open transaction of the platform."""

    async def park(self, parked: Sequence[ParkedReceipt]) -> None:
        """Store receipts until their attempts are known; repeats of the same receipt are stored once."""
        ...

    async def lock(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Sequence[ParkedReceipt]:
        """The parked receipts with these provider's message ids, locked."""
        ...

    async def lock_due(self, limit: int) -> Sequence[ParkedReceipt]:
        """Up to `limit` parked receipts whose next look is due, locked."""
        ...

    async def unpark(self, matched: Sequence[ParkedReceipt]) -> None:
        """Delete receipts that were applied to their attempts."""
        ...

    async def park_again(self, unmatched: Sequence[tuple[ParkedReceipt, datetime | None]]) -> None:
        """Set the time of each receipt's next look; None deletes the receipt, because its last look is over."""
        ...
