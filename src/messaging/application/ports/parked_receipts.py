"""Port for receipts that match no attempt yet, kept until one matches or their last look is over."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.receipts import Receipt
from messaging.domain.shared.ids import AccountId, TenantId


class ParkedReceipt(Struct, frozen=True, kw_only=True):
    """A receipt that matches no attempt yet: it overtook our own commit, or another app sent the message.

    `digest` is what the store knows a receipt by that it has kept; empty for one that it has not.
    """

    tenant_id: TenantId
    account_id: AccountId
    receipt: Receipt
    parked_at: datetime
    tries: int
    digest: bytes = b""


class ParkedReceipts(Protocol):
    """Bound to an open transaction of the platform."""

    async def park(self, parked: Sequence[ParkedReceipt]) -> None:
        """Keep receipts until their attempt is known; repeats of the same receipt are kept once."""
        ...

    async def lock(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Sequence[ParkedReceipt]: ...

    async def lock_due(self, limit: int) -> Sequence[ParkedReceipt]:
        """Parked receipts whose next look is due."""
        ...

    async def unpark(self, matched: Sequence[ParkedReceipt]) -> None: ...

    async def park_again(self, unmatched: Sequence[tuple[ParkedReceipt, datetime | None]]) -> None:
        """Look again at the given instant; None drops the receipt for good (unknown to us after 7 days)."""
        ...
