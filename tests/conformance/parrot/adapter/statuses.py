"""Reads a message of Parrot's, as webhooks and its API describe it, into a receipt."""

from datetime import UTC, datetime
from typing import Any, Final

from messaging.domain.messages.receipts import ProviderError, Receipt, ReceiptKind
from tests.conformance.parrot.adapter.errors import ERRORS

_KINDS: Final = {
    "sent": ReceiptKind.SENT,
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.READ,
    "failed": ReceiptKind.FAILED,
}
_LONGEST: Final = 256


def text(node: dict[str, Any], member: str) -> str:
    value = node.get(member)
    return value.replace("\x00", "")[:_LONGEST] if isinstance(value, str) else ""


def receipt(node: dict[str, Any], at: datetime | None) -> Receipt:
    kind = _KINDS.get(text(node, "status"), ReceiptKind.OTHER)
    return Receipt(
        kind=kind,
        sender_external_id=text(node, "from"),
        provider_message_id=text(node, "id"),
        occurred_at=at,
        reference=text(node, "client_reference") or None,
        error=_error(text(node, "error_code")) if kind is ReceiptKind.FAILED else None,
    )


def _error(code: str) -> ProviderError:
    meaning = ERRORS.get(code)
    return ProviderError(code=code or "failed", reason=f"{meaning.title}." if meaning else "Parrot gave no reason.")


def instant(value: Any) -> datetime | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
