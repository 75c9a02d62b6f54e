"""The catalogue of events that tenants are told of. A type is listed only if the platform emits it.

A type never changes its meaning, and none is taken away; further ones may come. Receivers ignore types that they do
not know.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from messaging.domain.callbacks.endpoint import TEST_EVENT


class EventType(Struct, frozen=True):
    """`subject` is the name, in a body's `data`, of what the event is about."""

    name: str
    subject: str
    description: str

    @property
    def group(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]


def _of(subject: str, described: Mapping[str, str]) -> tuple[EventType, ...]:
    return tuple(EventType(name, subject, description) for name, description in described.items())


_MESSAGES: Final = _of(
    "message",
    {
        "message.accepted": "The message was accepted and will be sent.",
        "message.scheduled": "The message was accepted and waits for its send_at.",
        "message.submitted": "The provider took the message.",
        "message.sent": "The provider sent the message on.",
        "message.delivered": "The message reached the recipient.",
        "message.read": "The recipient opened the message.",
        "message.failed": "The provider refused the message, or could not deliver it; `error` says why.",
        "message.expired": "The message was not sent in time, and will not be.",
        "message.cancelled": "The message was cancelled before it was sent.",
        "message.unknown": "A send ended without a clear answer; what became of it is being found out.",
        "message.unconfirmed": "No proof was found that an unclear send arrived or did not; a person may decide.",
        "message.dead": "The message will not be tried again without a person; `error` says why.",
        "message.requeued": "The message was put back to be sent again.",
    },
)
_INBOUND: Final = _of(
    "inbound",
    {
        "inbound.received": "A person wrote to one of your senders.",
        "inbound.reaction": "A person reacted to a message with an emoji, or took the reaction back.",
    },
)
_TEMPLATES: Final = _of(
    "template",
    {
        "template.approved": "The provider approved the template: messages can be sent with it.",
        "template.rejected": "The provider rejected the template; `rejected_reason` says why.",
        "template.paused": "The provider paused the template for its low quality; messages made from it wait.",
        "template.disabled": "The provider disabled the template; messages made from it fail.",
        "template.category_changed": "The provider moved the template to another category.",
        "template.quality_changed": "The provider changed its rating of the template's quality.",
    },
)
_ACCOUNTS: Final = _of(
    "account",
    {
        "account.provider_event": "The provider told something of the account that changes nothing here, such as a "
        "restriction or a change of limits; `kind` says what.",
    },
)

_ENDPOINTS: Final = _of(
    "endpoint",
    {
        "endpoint.failing": "An endpoint of yours has not answered as it should for a while.",
        "endpoint.disabled": "An endpoint of yours was disabled; its events are kept for 30 days.",
        "endpoint.recovered": "An endpoint of yours that was failing answers again.",
        TEST_EVENT: "You asked for a test of this endpoint. It is sent to this endpoint only.",
    },
)

CATALOGUE: Final = (*_MESSAGES, *_INBOUND, *_TEMPLATES, *_ACCOUNTS, *_ENDPOINTS)
TYPES: Final = frozenset(type.name for type in CATALOGUE)
GROUPS: Final = tuple(dict.fromkeys(type.group for type in CATALOGUE))
