"""Reads returned mail: what it says about the message whose return address it came to.

- A delivery report (RFC 3464) names an action for each recipient, with an enhanced code.
- A complaint (ARF, RFC 5965) tells that the recipient, or a filter, calls the message unwanted.
- Automatic answers (RFC 3834), such as those of people on holiday, say nothing about delivery.

Anything else is mail that no program can understand, kept as it is. Parsing never fails: a mail is any bytes.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

_LONGEST: Final = 300
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_MOST_PARTS, _MOST_RECIPIENTS = 100, 20


class Action(StrEnum):
    """What a delivery report says of one recipient (RFC 3464, 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


_ACTIONS: Final = {action.value: action for action in Action}


class RecipientReport(Struct, frozen=True, kw_only=True):
    """What a delivery report says of one recipient. `status` is the enhanced code, `diagnostic` the server's words."""

    action: Action
    status: str
    diagnostic: str


class DeliveryReport(Struct, frozen=True, kw_only=True):
    """What a server says about a message. `message_id` is that of the message, if the report shows its headers."""

    recipients: tuple[RecipientReport, ...]
    at: datetime | None
    message_id: str = ""


class Complaint(Struct, frozen=True, kw_only=True):
    feedback: str
    at: datetime | None


class AutoReply(Struct, frozen=True, kw_only=True):
    at: datetime | None


class OtherMail(Struct, frozen=True, kw_only=True):
    """Mail that is none of these; `by_server` tells that it has no sender, as the mail of servers."""

    by_server: bool
    at: datetime | None


ReturnedMail = DeliveryReport | Complaint | AutoReply | OtherMail


def read_mail(mail: bytes, *, return_path: str) -> ReturnedMail:
    """What the mail says; `return_path` is its envelope's sender, empty or `<>` for the mail of servers."""
    message = message_from_bytes(mail)
    at = _date(message)
    parts = _parts(message)
    if (recipients := _delivery_status(parts)) is not None:
        return DeliveryReport(recipients=recipients, at=at, message_id=_enclosed_id(parts))
    if (feedback := _feedback(parts)) is not None:
        return Complaint(feedback=feedback, at=at)
    if _is_automatic(message):
        return AutoReply(at=at)
    return OtherMail(by_server=return_path.strip() in ("", "<>"), at=at)


def _parts(message: Message) -> list[Message]:
    """The mail and its parts, the first ones only; what is inside an enclosed mail is that mail's business."""
    found = [message]
    for part in found:
        inner = part.get_payload()
        if isinstance(inner, list) and part.get_content_type() != "message/rfc822":
            found += [each for each in inner if isinstance(each, Message)]
        if len(found) > _MOST_PARTS:
            break
    return found


def _delivery_status(parts: Sequence[Message]) -> tuple[RecipientReport, ...] | None:
    part = _first(parts, "message/delivery-status", "message/global-delivery-status")
    if part is None:
        return None
    return tuple(_recipients(part))[:_MOST_RECIPIENTS]


def _enclosed_id(parts: Sequence[Message]) -> str:
    """The Message-ID of the message that a report encloses, whole or by its headers."""
    enclosed = _first(parts, "message/rfc822")
    inner = None if enclosed is None else enclosed.get_payload()
    if isinstance(inner, list) and inner and isinstance(inner[0], Message):
        return _text(inner[0], "Message-ID")
    headers = _first(parts, "text/rfc822-headers")
    raw = None if headers is None else headers.get_payload(decode=True)
    return _text(message_from_bytes(raw), "Message-ID") if isinstance(raw, bytes) else ""


def _recipients(part: Message) -> Iterator[RecipientReport]:
    for block in _blocks(part):
        action = _text(block, "Action").lower()
        if action in _ACTIONS:
            status = _STATUS.search(_text(block, "Status"))
            # `smtp; 550 5.1.1 no such user`: the type of the words is not part of them.
            kind, _, words = _text(block, "Diagnostic-Code").partition(";")
            yield RecipientReport(
                action=_ACTIONS[action], status=status[0] if status else "", diagnostic=(words or kind).strip()
            )


def _blocks(part: Message) -> list[Message]:
    """The groups of fields in a report. The parser has made each a message, unless they are encoded."""
    inner = part.get_payload()
    blocks = [block for block in inner if isinstance(block, Message)] if isinstance(inner, list) else []
    encoding = _text(part, "Content-Transfer-Encoding").lower()
    if encoding not in ("base64", "quoted-printable"):
        return blocks
    coded = Message()
    coded["Content-Transfer-Encoding"] = encoding
    coded.set_payload("".join(block.as_string() for block in blocks) if blocks else inner)
    raw = coded.get_payload(decode=True)
    return [message_from_bytes(group) for group in _BLANK_LINE.split(raw)] if isinstance(raw, bytes) else []


def _feedback(parts: Sequence[Message]) -> str | None:
    part = _first(parts, "message/feedback-report")
    if part is None:
        return None
    blocks = _blocks(part)
    told = next((text for block in blocks if (text := _text(block, "Feedback-Type"))), "")
    return told.lower()[:40] or "unknown"


def _is_automatic(message: Message) -> bool:
    """Whether a program wrote it in answer (RFC 3834, and what was usual before)."""
    automatic = _text(message, "Auto-Submitted").lower().partition(";")[0].strip()
    if automatic not in ("", "no"):
        return True
    older = {"x-autoreply", "x-autorespond", "x-auto-response-suppress"}
    return (
        not older.isdisjoint(name.lower() for name in message) or _text(message, "Precedence").lower() == "auto_reply"
    )


def _first(parts: Sequence[Message], *types: str) -> Message | None:
    return next((part for part in parts if part.get_content_type() in types), None)


def _text(message: Message, name: str) -> str:
    """A header in one line, decoded, bounded."""
    value = message.get(name)
    if value is None:
        return ""
    try:
        text = str(make_header(decode_header(str(value))))
    except (ValueError, LookupError):
        text = str(value)
    # Bytes that are no text in any encoding were read as surrogates, which nothing can store.
    readable = text.encode("utf-8", "replace").decode().replace("\x00", "")
    return " ".join(readable.split())[:_LONGEST]


def _date(message: Message) -> datetime | None:
    try:
        at = parsedate_to_datetime(_text(message, "Date"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
