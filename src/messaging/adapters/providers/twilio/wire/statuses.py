"""Twilio's statuses of a message, and the receipt that follows from one."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct

from messaging.adapters.providers.twilio.wire import errors
from messaging.adapters.providers.twilio.wire.fields import bounded, explained, whole
from messaging.domain.messages.receipts import Fact, ProviderError, Receipt, ReceiptKind

# accepted, queued, sending and scheduled show that Twilio has the message, as does a status that is new to us.
_KINDS = {
    "sent": ReceiptKind.SENT,
    "delivered": ReceiptKind.DELIVERED,
    "partially_delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.READ,
    "undelivered": ReceiptKind.FAILED,
    "failed": ReceiptKind.FAILED,
    "canceled": ReceiptKind.FAILED,
}
_NAMED = frozenset({"sent", "delivered", "read", "failed"})
_LONGEST_FACT = 200


class Told(Struct, frozen=True, kw_only=True):
    """A status as Twilio told it, in a webhook or on being asked."""

    sid: str
    status: str
    sender: str
    at: datetime | None = None
    reference: str | None = None
    code: Any = None
    explanation: str = ""
    facts: tuple[Fact, ...] = ()


def receipt(told: Told) -> Receipt:
    status = told.status.lower()
    kind = _KINDS.get(status, ReceiptKind.OTHER)
    return Receipt(
        kind=kind,
        sender_external_id=bounded(told.sender),
        provider_message_id=bounded(told.sid),
        occurred_at=told.at,
        reference=told.reference,
        error=failure(told.code, told.explanation, status) if kind is ReceiptKind.FAILED else None,
        facts=(*_status_fact(status), *told.facts),
    )


def failure(code: Any, explanation: str, status: str) -> ProviderError:
    """The error of a message that has definitely failed; `explanation` is Twilio's own, where it gives one."""
    number = whole(code)
    if number is None or number == 0:
        reason = "It was cancelled." if status == "canceled" else "The provider reported a failure without a reason."
        return ProviderError(code=status or "unspecified", reason=reason)
    entry = errors.find(number)
    said = f"{entry.title}." if entry else explained(explanation)
    return ProviderError(code=str(number), reason=said or "An error code that the platform does not know.")


def _status_fact(status: str) -> Iterator[Fact]:
    """The status itself, where the kind of the receipt does not already say it."""
    if status not in _NAMED:
        yield "status", status[:_LONGEST_FACT]
