"""Reads Meta's `message_history` of one message into receipts."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from messaging.adapters.providers.whatsapp_cloud.wire.fields import Json, instant, mapping, mappings, text
from messaging.domain.messages.receipts import ProviderError, Receipt, ReceiptKind

# The other statuses (ACCEPTED, DELETED, ERROR) say nothing about delivery, or nothing that is not known already.
_KINDS = {
    kind.value.upper(): kind
    for kind in (ReceiptKind.SENT, ReceiptKind.DELIVERED, ReceiptKind.READ, ReceiptKind.PLAYED, ReceiptKind.FAILED)
}
_REASON_LENGTH = 300


def read_history(answer: Mapping[str, Any], sender: str, message_id: str) -> list[Receipt]:
    """The receipts of one message, oldest first; unreadable events and those of other messages are left out."""
    nodes = [node for node in mappings(answer.get("data")) if text(node, "message_id") in ("", message_id)]
    found = [event for node in nodes for event in _events(node, sender, message_id)]
    return [receipt for _, receipt in sorted(found, key=lambda event: event[0])]


def _events(node: Json, sender: str, message_id: str) -> Iterator[tuple[datetime, Receipt]]:
    for event in mappings(mapping(node.get("events")).get("data")):
        kind, at = _KINDS.get(text(event, "delivery_status").upper()), instant(event)
        if kind is None or at is None:
            continue
        receipt = Receipt(
            kind=kind,
            sender_external_id=sender,
            provider_message_id=message_id,
            occurred_at=at,
            error=_error(event) if kind is ReceiptKind.FAILED else None,
        )
        yield at, receipt


def _error(event: Json) -> ProviderError:
    reason = text(event, "error_description")[:_REASON_LENGTH]
    return ProviderError(code="failed", reason=reason or "The provider gave no reason.")
