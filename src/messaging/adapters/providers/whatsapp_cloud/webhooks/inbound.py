"""What a person did, read from one item of `value.messages` or `value.calls`.

Whatever is odd about an item, it is kept with what is known: `InboundMessage.oddities` names what was put in its place.
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
# Members that are named as the kind of message they belong to.
_TELLING = frozenset({*_KINDS, "order", "system", "edit", "revoke", "unsupported"})
# Meta, "Service messages" (2026-05): the window opens when a person messages or calls. These only tell of something.
_NOTICES = frozenset({"system", "edit", "revoke"})


def read_message(
    item: Any, sender_external_id: str, contacts: Contacts, received_at: datetime
) -> InboundMessage | None:
    """One message, or None for an item that names neither itself nor an author nor a kind."""
    message = mapping(item)
    kind, oddities = _kind(message)
    if not identifier(message, "id") and message.get("from") is None and kind == "unknown":
        return None
    return _inbound(message, kind, sender_external_id, contacts, received_at, oddities)


def read_call(item: Any, sender_external_id: str, contacts: Contacts, received_at: datetime) -> InboundMessage | None:
    """A call that a person began, or None for anything else that is said of calls."""
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
    """The provider's id; where there is none that could be stored, one that is the same each time the item comes."""
    given = identifier(message, "id")
    if not given:
        content = msgspec.json.encode(message, order="deterministic")
        return f"sha256:{hashlib.sha256(content).hexdigest()}", (Oddity.ID_MISSING,)
    kept = bounded(given)
    return kept, () if kept == given else (Oddity.ID_TOO_LONG,)


def _opens_window(kind: str, message: Json) -> bool:
    if kind in _NOTICES or "group_id" in message:
        return False
    # Taking a reaction back is no message, and a permission given by settings is nothing that anybody did.
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
