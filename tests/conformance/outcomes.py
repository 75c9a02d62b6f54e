"""Every way in which one send can end on the wire, and what may honestly be said of it afterwards."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from messaging.domain.messages.retry import Rejected, Sent, Throttled, Unavailable, Uncertain, Unreachable
from tests.integration.providers.whatsapp_cloud.raw_server import Behaviour

Class = type[Sent] | type[Rejected] | type[Throttled] | type[Unavailable] | type[Uncertain] | type[Unreachable]

# After one of these the message may be handed over again: the provider does not have it.
PROVEN_NOT_ACCEPTED: Final = (Rejected, Throttled, Unavailable, Unreachable)


class Outcome(StrEnum):
    """`silent` is a provider that takes the request and does not answer in time."""

    ACCEPTED = "accepted"
    NAME_UNKNOWN = "name_unknown"
    REFUSED = "refused"
    TLS_FAILED = "tls_failed"
    GONE_WHILE_ASKING = "gone_while_asking"
    CUT_IN_REQUEST = "cut_in_request"
    CLOSED_AFTER_REQUEST = "closed_after_request"
    RESET_AFTER_REQUEST = "reset_after_request"
    SILENT = "silent"
    ANSWER_CUT = "answer_cut"
    ANSWER_UNREADABLE = "answer_unreadable"
    ANSWER_WITHOUT_ID = "answer_without_id"


class Script(Struct, frozen=True, kw_only=True):
    """What the provider's end does, and the classes of result that this leads to.

    `behave` is None where nothing of the provider is reached.
    """

    behave: Behaviour | None
    classes: frozenset[Class]


NOTHING_LEFT: Final = frozenset({Outcome.NAME_UNKNOWN, Outcome.REFUSED, Outcome.TLS_FAILED})
NOT_SENT: Final[frozenset[Class]] = frozenset({Unreachable, Unavailable})
LOST: Final[frozenset[Class]] = frozenset({Uncertain})

# A provider's script may promise less than this, never more. A message of which only a part arrived was not accepted in
# a protocol that marks the end of a message; the id of an accepted message may be the adapter's own.
HONEST: Final[Mapping[Outcome, frozenset[Class]]] = {
    Outcome.ACCEPTED: frozenset({Sent}),
    Outcome.NAME_UNKNOWN: NOT_SENT,
    Outcome.REFUSED: NOT_SENT,
    Outcome.TLS_FAILED: NOT_SENT,
    Outcome.GONE_WHILE_ASKING: NOT_SENT | LOST,
    Outcome.CUT_IN_REQUEST: NOT_SENT | LOST,
    Outcome.CLOSED_AFTER_REQUEST: LOST,
    Outcome.RESET_AFTER_REQUEST: LOST,
    Outcome.SILENT: LOST,
    Outcome.ANSWER_CUT: LOST,
    Outcome.ANSWER_UNREADABLE: frozenset({Uncertain, Sent}),
    Outcome.ANSWER_WITHOUT_ID: frozenset({Uncertain, Sent}),
}
