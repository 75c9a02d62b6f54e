"""Reads a message that a person wrote from the fields of a webhook."""

from datetime import datetime
from typing import Any, Final

from messaging.adapters.providers.twilio.webhooks.long_texts import as_written
from messaging.adapters.providers.twilio.wire.fields import bounded, text, whole
from messaging.domain.channels.address import parse_provider_phone
from messaging.domain.conversations.inbound import InboundKind, InboundMessage, Oddity

# Twilio acts on these words by itself, in any case, when they are the whole text. It names the kind in `OptOutType`
# only for senders in a Messaging Service with Advanced Opt-Out.
_STOP: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
_START: Final = frozenset({"start", "yes", "unstop"})
_HELP: Final = frozenset({"help", "info"})
_OPT_OUT_TYPES: Final = frozenset({"stop", "start", "help"})


def read_message(fields: dict[str, str], payload: dict[str, Any], received_at: datetime) -> InboundMessage:
    """An inbound message. `provider_kind` is `stop`, `start` or `help` for a word about consent, else `sms` or `mms`.

    Twilio does not tell when the person wrote; the message is dated `received_at`. `payload` is the form as it came.
    """
    author = text(fields, "From")
    phone = parse_provider_phone(author) if author else None
    is_media = bool(whole(fields.get("NumMedia")))
    body = as_written(text(fields, "Body"))
    to, service = bounded(text(fields, "To")), bounded(text(fields, "MessagingServiceSid"))
    return InboundMessage(
        sender_external_id=to or service,
        further_sender_ids=(service,) if to and service else (),
        provider_message_id=bounded(text(fields, "MessageSid")),
        kind=InboundKind.MEDIA if is_media else InboundKind.TEXT,
        provider_kind=_consent(fields, body) or ("mms" if is_media else "sms"),
        occurred_at=received_at,
        phone=phone.value if phone is not None else None,
        user_id=None,
        profile_name=None,
        text=body or None,
        payload=payload,
        in_reply_to=bounded(text(fields, "OriginalRepliedMessageSid")) or None,
        oddities=() if phone is not None else (Oddity.AUTHOR_UNREADABLE if author else Oddity.AUTHOR_MISSING,),
    )


def _consent(fields: dict[str, str], body: str) -> str:
    """What the person asks for about further messages; empty if the text is about something else."""
    told = text(fields, "OptOutType").lower()
    if told in _OPT_OUT_TYPES:
        return told
    word = body.strip().strip(".!").lower()
    return next((kind for kind, words in (("stop", _STOP), ("start", _START), ("help", _HELP)) if word in words), "")
