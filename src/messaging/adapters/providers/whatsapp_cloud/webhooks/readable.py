"""Extracts from an inbound message the text that a person would read."""

from typing import Any

import msgspec

from messaging.adapters.providers.whatsapp_cloud.wire.fields import Json, mapping, mappings, text

MEDIA = frozenset({"image", "video", "audio", "document", "sticker", "voice"})

_LONGEST_ANSWERS = 1_000


def readable(kind: str, message: Json) -> str:
    """The text of the message; empty if it has none."""
    part = mapping(message.get(kind))
    match kind:
        case "text" | "system":
            return text(part, "body")
        case "button":
            return text(part, "text") or text(part, "payload")
        case "reaction":
            return text(part, "emoji")
        case "interactive":
            return _reply(part)
        case "location":
            return ", ".join(filter(None, (text(part, "name"), text(part, "address"))))
        case "contacts":
            return ", ".join(filter(None, map(_card, mappings(message.get("contacts")))))
        case "order":
            return text(part, "text")
        case "edit":
            return _edited(part)
        case _:
            return text(part, "caption") if kind in MEDIA else ""


def _edited(part: Json) -> str:
    """The new text of an edited message."""
    now = mapping(part.get("message"))
    kind = text(now, "type") or next((kind for kind in ("text", *sorted(MEDIA)) if kind in now), "")
    return "" if kind == "edit" else readable(kind, now)


def _card(card: Json) -> str:
    """The name on a contact card: the full name, or its parts, or whatever else identifies the card."""
    name = mapping(card.get("name"))
    parts = (text(name, part) for part in ("prefix", "first_name", "middle_name", "last_name", "suffix"))
    numbers = (text(phone, "phone") for phone in mappings(card.get("phones")))
    return (
        text(name, "formatted_name")
        or " ".join(filter(None, parts))
        or text(mapping(card.get("org")), "company")
        or next(filter(None, numbers), "")
    )


def _reply(interactive: Json) -> str:
    kind = text(interactive, "type")
    replies = [part for name, part in interactive.items() if name != "type" and isinstance(part, dict)]
    reply = mapping(interactive.get(kind)) or (replies[0] if len(replies) == 1 else {})
    said = text(reply, "title") or text(reply, "body")
    return said or _answers(reply.get("response_json")) or text(reply, "name")


def _answers(response: Any) -> str:
    """The answers to a form as lines of `question: answer`, without the token, which the person did not write."""
    try:
        decoded = msgspec.json.decode(response) if isinstance(response, str) else response
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return ""
    given = {name: value for name, value in mapping(decoded).items() if name != "flow_token"}
    return ", ".join(f"{name}: {_plain(value)}" for name, value in given.items())[:_LONGEST_ANSWERS].replace("\0", "")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
