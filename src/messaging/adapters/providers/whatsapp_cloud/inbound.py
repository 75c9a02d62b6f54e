"""What did a person write, read from one item of `value.messages`?"""

from typing import Any

from messaging.adapters.providers.whatsapp_cloud.fields import Json, instant, mapping, mappings, text
from messaging.domain.conversations.inbound import InboundKind, InboundMessage
from messaging.domain.shared.address import ScopedUser, parse_provider_phone, parse_recipient

_MEDIA = frozenset({"image", "video", "audio", "document", "sticker", "voice"})
_KINDS: dict[str, InboundKind] = {
    "text": InboundKind.TEXT,
    "button": InboundKind.BUTTON,
    "interactive": InboundKind.INTERACTIVE,
    "reaction": InboundKind.REACTION,
    "location": InboundKind.LOCATION,
    "contacts": InboundKind.CONTACTS,
    **dict.fromkeys(_MEDIA, InboundKind.MEDIA),
}
# Meta counts "messages or calls" from the person. Only what a person plainly wrote is taken to open the window;
# reactions, edits, revokes, notices and whatever we have no name for are not.
_OPENING = frozenset({*_KINDS, "order"}) - {"reaction"}


def read_message(item: Any, sender_external_id: str, contacts: list[Json]) -> InboundMessage | None:
    """One message, or None when it has no id, time or author: then nothing could be done with it."""
    message = mapping(item)
    message_id, provider_kind, at = text(message, "id"), text(message, "type") or "unknown", instant(message)
    phone, user_id = _author(message)
    if not message_id or at is None or (phone is None and user_id is None):
        return None
    return InboundMessage(
        sender_external_id=sender_external_id,
        provider_message_id=message_id,
        kind=_KINDS.get(provider_kind, InboundKind.OTHER),
        provider_kind=provider_kind,
        occurred_at=at,
        phone=phone,
        user_id=user_id,
        profile_name=_profile_name(message, contacts),
        text=_readable(provider_kind, message) or None,
        payload=message,
        in_reply_to=_answered(provider_kind, message),
        opens_window=provider_kind in _OPENING and "group_id" not in message and not _is_system_reply(message),
    )


def _author(message: Json) -> tuple[str | None, str | None]:
    """Phone and business-scoped id. People with a username may show no number at all."""
    sender = text(message, "from")
    user_id = text(message, "from_user_id") or None
    if (phone := parse_provider_phone(sender)) is not None:
        return phone.value, user_id
    scoped = parse_recipient(sender)
    return None, user_id or (scoped.value if isinstance(scoped, ScopedUser) else None)


def _profile_name(message: Json, contacts: list[Json]) -> str | None:
    known = {text(message, "from"), text(message, "from_user_id")} - {""}
    own = [c for c in contacts if known & {text(c, "wa_id"), text(c, "user_id")}]
    # Some countries' wa_id differs from the number written from; a lone contact can only be the author.
    chosen = own[:1] or (contacts if len(contacts) == 1 else [])
    return text(mapping(chosen[0].get("profile")), "name") or None if chosen else None


def _readable(kind: str, message: Json) -> str:
    """What a person would read; empty where there is nothing to read."""
    part = mapping(message.get(kind))
    match kind:
        case "text":
            return text(part, "body")
        case "button":
            return text(part, "text")
        case "reaction":
            return text(part, "emoji")
        case "interactive":
            return _reply_title(part)
        case "location":
            return ", ".join(filter(None, (text(part, "name"), text(part, "address"))))
        case "contacts":
            names = (text(mapping(card.get("name")), "formatted_name") for card in mappings(message.get("contacts")))
            return ", ".join(filter(None, names))
        case "system":
            return text(part, "body")
        case "order":
            return text(part, "text")
        case _:
            return text(part, "caption") if kind in _MEDIA else ""


def _reply_title(interactive: Json) -> str:
    reply = mapping(interactive.get(text(interactive, "type")))
    return text(reply, "title") or text(reply, "body")


def _answered(kind: str, message: Json) -> str | None:
    part = mapping(message.get(kind))
    match kind:
        case "reaction":
            return text(part, "message_id") or None
        case "edit" | "revoke":
            return text(part, "original_message_id") or None
        case _:
            return text(mapping(message.get("context")), "id") or None


def _is_system_reply(message: Json) -> bool:
    """A permission granted by a tap is not a message."""
    return text(mapping(message.get("interactive")), "type") == "call_permission_reply"
