"""What a callback tells of a message: the timeline entry it is about, with the message as it was then."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from messaging.application.messages.reading.payload import Payload
from messaging.application.messages.reading.views import ShownContent, shown
from messaging.application.ports.callbacks.fan_out import MessageFacts, PendingEvent
from messaging.domain.callbacks.body import instant
from messaging.domain.callbacks.endpoint import Include
from messaging.domain.messages.state import State, public
from messaging.domain.shared.ids import MessageId, Prefix, typeid

# States that have a reason, which the timeline entry names.
_IN_TROUBLE: Final = frozenset({State.FAILED, State.DEAD, State.UNKNOWN, State.UNCONFIRMED, State.EXPIRED})
_EXPIRED: Final = {"code": "expired", "reason": "The message could not be sent before expires_at."}


class Told(Struct, frozen=True):
    """What callers told of a message when they submitted it; a mail's files without their bytes."""

    to: str
    content: ShownContent
    metadata: dict[str, str]


def told(payload: Payload) -> Told:
    return Told(payload.to.value, shown(payload.content), payload.metadata)


def subject_of(event: PendingEvent, entry: MessageFacts, by_caller: Told | None) -> dict[str, Any]:
    """The message in a body. Its `metadata` is null if its payload can no longer be read."""
    detail = entry.detail
    return {
        "id": typeid(Prefix.MESSAGE, MessageId(event.subject_id)),
        "channel": entry.channel,
        "status": public(entry.state),
        "category": entry.category,
        "sender_id": typeid(Prefix.SENDER, entry.sender_id),
        "reference": entry.reference,
        "metadata": None if by_caller is None else by_caller.metadata,
        "attempt": detail.get("attempt"),
        "provider": entry.provider,
        "provider_message_id": detail.get("provider_message_id") or entry.provider_message_id,
        "occurred_at": instant(entry.occurred_at or entry.recorded_at),
        "error": _error(entry),
        "possible_duplicate": entry.possible_duplicate,
        # Whose decision it was: the id of an API key; null for what nobody decided.
        "by": detail.get("by"),
    }


def private_of(by_caller: Told | None) -> Mapping[Include, Mapping[str, Any]]:
    """What endpoints get only on request."""
    if by_caller is None:
        return {}
    return {Include.RECIPIENT: {"to": by_caller.to}, Include.CONTENT: {"content": by_caller.content}}


def fields_of(entry: MessageFacts, by_caller: Told | None) -> dict[str, str]:
    """What filters of endpoints compare."""
    metadata = {} if by_caller is None else by_caller.metadata
    return {
        "channel": entry.channel,
        "category": entry.category,
        "sender_id": typeid(Prefix.SENDER, entry.sender_id),
        **{f"metadata.{name}": value for name, value in metadata.items()},
    }


def _error(entry: MessageFacts) -> dict[str, Any] | None:
    if entry.state not in _IN_TROUBLE:
        return None
    code = entry.detail.get("code")
    if code is None and entry.state is State.EXPIRED:
        return dict(_EXPIRED)
    return {"code": code or public(entry.state), "reason": entry.detail.get("reason") or ""}
