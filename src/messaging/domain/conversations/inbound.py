"""What a person wrote to a sender, as far as we understand it and never less than the provider told."""

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
    # A kind without a word of ours: kept as it came.
    OTHER = "other"


class InboundMessage(Struct, frozen=True, kw_only=True, tag="inbound"):
    """`phone` (E.164) and `user_id` (business-scoped) identify the person; at least one is present.

    `text` is what a person would read (body, caption, button label, emoji), `payload` the provider's object as it came.
    `opens_window` is false for system notices, reactions, edits and revokes.
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
