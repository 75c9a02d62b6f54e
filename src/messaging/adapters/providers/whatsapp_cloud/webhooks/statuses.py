"""Reads the status of a sent message from one item of `value.statuses`.

Everything in it is kept, within limits: codes and prices as facts of the receipt, people's ids apart from them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from messaging.adapters.providers.whatsapp_cloud.wire.fields import (
    Json,
    bounded,
    identifier,
    instant,
    items,
    mapping,
    text,
)
from messaging.adapters.providers.whatsapp_cloud.wire.verdicts import async_failure
from messaging.application.ports.providers.webhooks import OtherEvent
from messaging.domain.messages.receipts import Fact, ProviderError, Receipt, ReceiptKind

_KINDS = {
    kind.value: kind
    for kind in (ReceiptKind.SENT, ReceiptKind.DELIVERED, ReceiptKind.READ, ReceiptKind.PLAYED, ReceiptKind.FAILED)
}
# Statuses of one participant of a group. They only show that Meta has sent the message to the group.
_OF_A_PARTICIPANT = frozenset({"sent", "delivered", "read", "played"})
LONGEST_KIND = 80
_LONGEST_FACT, _LONGEST_ERRORS = 200, 1_000


def read_receipt(item: Any, sender_external_id: str) -> Receipt | OtherEvent | None:
    """The receipt in an item; None if the item names no message or no status."""
    status = mapping(item)
    name, message_id = text(status, "status").lower(), bounded(identifier(status, "id"))
    if not name or not message_id:
        return None
    about = text(status, "type").lower()
    if about not in ("", "message"):
        # The item is about something else, such as a payment, whose failure is not the message's.
        return OtherEvent(kind=f"status.{about}"[:LONGEST_KIND], payload=status, occurred_at=instant(status))
    participant = _participant(status)
    kind = _kind(name, participant)
    errors = _errors(status)
    return Receipt(
        kind=kind,
        sender_external_id=sender_external_id,
        provider_message_id=message_id,
        occurred_at=instant(status),
        reference=text(status, "biz_opaque_callback_data") or None,
        recipient_ids=_recipient_ids(status),
        participant_id=participant,
        error=errors[0] if errors else async_failure(None) if kind is ReceiptKind.FAILED else None,
        facts=tuple(_facts(status, name, kind, errors[1:])),
    )


def _kind(name: str, participant: str | None) -> ReceiptKind:
    if participant is not None:
        return ReceiptKind.PARTICIPANT if name in _OF_A_PARTICIPANT else ReceiptKind.OTHER
    # Unknown statuses: "deleted" and "warning" of older API versions, and any that Meta adds.
    return _KINDS.get(name, ReceiptKind.OTHER)


def _participant(status: Json) -> str | None:
    """The participant of a group whose status it is; empty if unnamed, None if the status is of no participant."""
    told = [name for name in status if name.startswith("recipient_participant")]
    return next((id for name in told if (id := identifier(status, name))), "") if told else None


def _recipient_ids(status: Json) -> tuple[str, ...]:
    members = ("recipient_id", "recipient_user_id", "recipient_parent_user_id")
    return tuple(dict.fromkeys(value[:_LONGEST_FACT] for member in members if (value := identifier(status, member))))


def _errors(status: Json) -> list[ProviderError]:
    """The errors that can be read; Meta's list may begin with null."""
    return [async_failure(error) for error in items(status.get("errors")) if error not in (None, {}, "")]


def _facts(status: Json, name: str, kind: ReceiptKind, further: list[ProviderError]) -> Iterator[Fact]:
    if kind in (ReceiptKind.OTHER, ReceiptKind.PARTICIPANT):
        yield "status", name[:_LONGEST_FACT]
    pricing, conversation = mapping(status.get("pricing")), mapping(status.get("conversation"))
    told = {
        "pricing_category": text(pricing, "category"),
        "pricing_model": text(pricing, "pricing_model"),
        "pricing_type": text(pricing, "type"),
        "billable": _yes_or_no(pricing.get("billable")),
        "conversation_id": identifier(conversation, "id"),
        "conversation_origin": text(mapping(conversation.get("origin")), "type"),
        "conversation_expires_at": _iso(instant(conversation, "expiration_timestamp")),
        "recipient_type": text(status, "recipient_type"),
    }
    for fact, value in told.items():
        if value:
            yield fact, value[:_LONGEST_FACT]
    if further:
        yield "further_errors", "; ".join(f"{error.code}: {error.reason}" for error in further)[:_LONGEST_ERRORS]


def _yes_or_no(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else ""


def _iso(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()
