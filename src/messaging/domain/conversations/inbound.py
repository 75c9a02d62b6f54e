"""A message that a person sent to a sender; what the platform does not understand is kept as the provider sent it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct


class InboundKind(StrEnum):
    TEXT = "text"
    MEDIA = "media"
    BUTTON = "button"
    INTERACTIVE = "interactive"
    REACTION = "reaction"
    LOCATION = "location"
    CONTACTS = "contacts"
    CALL = "call"
    # A kind that the platform has no name for; it is stored as it came.
    OTHER = "other"


class Oddity(StrEnum):
    """A defect of a message, and what was used instead. The set is closed, because it labels a metric."""

    # Nothing names the author: neither phone nor user id is known.
    AUTHOR_MISSING = "author_missing"
    # `from` is given and is neither a phone number nor a user id; `payload` shows it.
    AUTHOR_UNREADABLE = "author_unreadable"
    # The message does not name its author; the only contact beside it does.
    AUTHOR_FROM_CONTACT = "author_from_contact"
    # The time is missing or unreadable: `occurred_at` is when the webhook was received.
    TIME_UNREADABLE = "time_unreadable"
    # `provider_message_id` is a hash of the message.
    ID_MISSING = "id_missing"
    # `provider_message_id` is the beginning of the id and its hash.
    ID_TOO_LONG = "id_too_long"
    # The message does not say of which kind it is; it is told from the one member that names a kind, if there is one.
    KIND_MISSING = "kind_missing"


class InboundMessage(Struct, frozen=True, kw_only=True, tag="inbound"):
    """`phone` (E.164), `user_id` and `parent_user_id` (business-scoped) identify the person, as far as they are known.

    `text` is what a person would read (body, caption, button label, emoji), `payload` the provider's object as it came.
    `further_sender_ids` are ids of something larger that the sender is a part of, such as a pool of numbers: where
    `sender_external_id` is not a sender of the account, one of them may be.
    `opens_window` is false for what no person did: system notices, edits, revokes and removed reactions.
    """

    sender_external_id: str
    provider_message_id: str
    kind: InboundKind
    provider_kind: str
    occurred_at: datetime
    phone: str | None
    user_id: str | None
    profile_name: str | None
    text: str | None
    payload: dict[str, Any]
    in_reply_to: str | None = None
    opens_window: bool = True
    parent_user_id: str | None = None
    username: str | None = None
    oddities: tuple[Oddity, ...] = ()
    further_sender_ids: tuple[str, ...] = ()
