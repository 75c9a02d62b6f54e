"""Reads an inbound message or call from one item of `value.messages` or `value.calls`.

An odd item is kept with what can be read of it: `InboundMessage.oddities` names each value that was filled in.
"""

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from messaging.adapters.providers.whatsapp_cloud.webhooks.authors import Contacts
from messaging.adapters.providers.whatsapp_cloud.webhooks.readable import MEDIA, readable
from messaging.adapters.providers.whatsapp_cloud.wire.fields import Json, bounded, identifier, instant, mapping, text
from messaging.domain.conversations.inbound import InboundKind, InboundMessage, Oddity

_KINDS: dict[str, InboundKind] = {
    "text": InboundKind.TEXT,
    "button": InboundKind.BUTTON,
    "interactive": InboundKind.INTERACTIVE,
    "reaction": InboundKind.REACTION,
    "location": InboundKind.LOCATION,
    "contacts": InboundKind.CONTACTS,
    "call": InboundKind.CALL,
    **dict.fromkeys(MEDIA, InboundKind.MEDIA),
}
# Members whose name tells the kind of the message, for items without a readable `type`.
_TELLING = frozenset({*_KINDS, "order", "system", "edit", "revoke", "unsupported"})
# Kinds that do not open the service window. Meta, "Service messages" (2026-05): it opens when a person messages or
# calls.
_NOTICES = frozenset({"system", "edit", "revoke"})


def read_message(
    item: Any, sender_external_id: str, contacts: Contacts, received_at: datetime
) -> InboundMessage | None:
    """One inbound message; None for an item without an id, an author and a kind."""
    message = mapping(item)
    kind, oddities = _kind(message)
    if not identifier(message, "id") and message.get("from") is None and kind == "unknown":
        return None
    return _inbound(message, kind, sender_external_id, contacts, received_at, oddities)


def read_call(item: Any, sender_external_id: str, contacts: Contacts, received_at: datetime) -> InboundMessage | None:
    """A call that a person began; None for any other event of a call."""
    call = mapping(item)
    if text(call, "direction").upper() != "USER_INITIATED" or not identifier(call, "id"):
        return None
    return _inbound(call, "call", sender_external_id, contacts, received_at, ())


def _inbound(
    message: Json,
    kind: str,
    sender_external_id: str,
    contacts: Contacts,
    received_at: datetime,
    oddities: tuple[Oddity, ...],
) -> InboundMessage:
    author, at = contacts.author(message), instant(message)
    id, of_id = _id(message)
    return InboundMessage(
        sender_external_id=sender_external_id,
        provider_message_id=id,
        kind=_KINDS.get(kind, InboundKind.OTHER),
        provider_kind=kind,
        occurred_at=at or received_at,
        phone=author.phone,
        user_id=author.user_id,
        parent_user_id=author.parent_user_id,
        profile_name=author.profile_name,
        username=author.username,
        text=readable(kind, message) or None,
        payload=message,
        in_reply_to=bounded(_answered(kind, message)) or None,
        opens_window=_opens_window(kind, message),
        oddities=(*author.oddities, *(() if at else (Oddity.TIME_UNREADABLE,)), *of_id, *oddities),
    )


def _kind(message: Json) -> tuple[str, tuple[Oddity, ...]]:
    if said := text(message, "type"):
        return said.lower(), ()
    told = [name for name in message if name in _TELLING]
    return (told[0] if len(told) == 1 else "unknown"), (Oddity.KIND_MISSING,)


def _id(message: Json) -> tuple[str, tuple[Oddity, ...]]:
    """The provider's id; without one that can be stored, an id derived from the item, the same each time it comes."""
    given = identifier(message, "id")
    if not given:
        content = msgspec.json.encode(message, order="deterministic")
        return f"sha256:{hashlib.sha256(content).hexdigest()}", (Oddity.ID_MISSING,)
    kept = bounded(given)
    return kept, () if kept == given else (Oddity.ID_TOO_LONG,)


def _opens_window(kind: str, message: Json) -> bool:
    if kind in _NOTICES or "group_id" in message:
        return False
    # A removed reaction (without an emoji) opens no window, nor does a call permission that was given by settings.
    if kind == "reaction":
        return bool(text(mapping(message.get(kind)), "emoji"))
    permission = mapping(mapping(message.get("interactive")).get("call_permission_reply"))
    return text(permission, "response_source") != "automatic"


def _answered(kind: str, message: Json) -> str:
    part = mapping(message.get(kind))
    match kind:
        case "reaction":
            return text(part, "message_id")
        case "edit" | "revoke":
            return text(part, "original_message_id")
        case _:
            return text(mapping(message.get("context")), "id")
