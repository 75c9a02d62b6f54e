"""A provider's status update about one attempt, in the platform's own vocabulary."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from messaging.domain.messages.state import Signal


class ReceiptKind(StrEnum):
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    # A voice message was played, which implies that it was delivered and read.
    PLAYED = "played"
    FAILED = "failed"
    # One participant of a group received, read or played the message. It proves that the provider accepted the message,
    # and nothing about the other participants.
    PARTICIPANT = "participant"
    # A status that the platform has no name for. It proves that the provider accepted the message.
    OTHER = "other"

    @property
    def signal(self) -> Signal:
        return _SIGNALS[self]


_SIGNALS = {
    ReceiptKind.SENT: Signal.RECEIPT_SENT,
    ReceiptKind.DELIVERED: Signal.RECEIPT_DELIVERED,
    ReceiptKind.READ: Signal.RECEIPT_READ,
    ReceiptKind.PLAYED: Signal.RECEIPT_READ,
    ReceiptKind.FAILED: Signal.RECEIPT_FAILED,
    ReceiptKind.PARTICIPANT: Signal.RECEIPT_SENT,
    ReceiptKind.OTHER: Signal.ACCEPT,
}


class ProviderError(Struct, frozen=True, kw_only=True):
    """`code` as the provider spells it; `reason` is its explanation, never a recipient or content."""

    code: str
    reason: str


# In a timeline entry's detail: the ids in `Receipt.recipient_ids` and `participant_id`, sealed for the tenant.
SEALED_RECIPIENT = "sealed_recipient"

# A name and the provider's value for it, bounded in length; never a recipient or content.
Fact = tuple[str, str | int]


class Receipt(Struct, frozen=True, kw_only=True, tag="receipt"):
    """One status update. `reference` is the text that the provider was asked to echo (absent on some failures).

    `occurred_at` is the provider's clock: shown, never used to order states; None where it could not be read.
    `recipient_ids` are the provider's spellings of the recipient (wa_id digits, business-scoped id), `participant_id`
    is the person in a group whose status it is (empty if not named). `facts` go into the timeline unchanged;
    `sealed_recipient` holds the ids, sealed for the timeline.
    """

    kind: ReceiptKind
    sender_external_id: str
    provider_message_id: str
    occurred_at: datetime | None
    reference: str | None = None
    recipient_ids: tuple[str, ...] = ()
    participant_id: str | None = None
    error: ProviderError | None = None
    facts: tuple[Fact, ...] = ()
    sealed_recipient: str | None = None
