"""The provider's word about an attempt, in our vocabulary."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from messaging.domain.messages.state import Signal


class ReceiptKind(StrEnum):
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"

    @property
    def signal(self) -> Signal:
        return _SIGNALS[self]


_SIGNALS = {
    ReceiptKind.SENT: Signal.RECEIPT_SENT,
    ReceiptKind.DELIVERED: Signal.RECEIPT_DELIVERED,
    ReceiptKind.READ: Signal.RECEIPT_READ,
    ReceiptKind.FAILED: Signal.RECEIPT_FAILED,
}


class ProviderError(Struct, frozen=True, kw_only=True):
    """`code` as the provider spells it; `reason` is its explanation, never a recipient or content."""

    code: str
    reason: str


class Receipt(Struct, frozen=True, kw_only=True, tag="receipt"):
    """One status. `reference` is what we asked the provider to echo (absent on some failures).

    `occurred_at` is the provider's clock: shown, never used to order states. `recipient_ids` are the provider's
    spellings of the recipient (wa_id digits, business-scoped id).
    """

    kind: ReceiptKind
    sender_external_id: str
    provider_message_id: str
    occurred_at: datetime
    reference: str | None = None
    recipient_ids: tuple[str, ...] = ()
    error: ProviderError | None = None
    pricing_category: str | None = None
