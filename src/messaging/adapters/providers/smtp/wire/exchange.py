"""What came of one transaction with a mail server, by how far it had come."""

from msgspec import Struct

from messaging.adapters.http.client import Withheld
from messaging.adapters.providers.smtp.wire.replies import Reply, Stage


class Accepted(Struct, frozen=True, kw_only=True):
    """The server took the message over: it answered the final dot with 2yz."""

    reply: Reply


class Refused(Struct, frozen=True, kw_only=True):
    """The server answered a step with a refusal, so it did not take the message."""

    stage: Stage
    reply: Reply


class Lost(Struct, frozen=True, kw_only=True):
    """The conversation ended at `stage` without an answer. Only at DOT may the server have taken the message;
    `likely_taken` tells that what it said there could not be read, and begins as a success does.
    """

    stage: Stage
    reason: str
    code: str = "not_sent"
    likely_taken: bool = False


class Unfit(Struct, frozen=True, kw_only=True):
    """The server lacks what the message or the account asks for; nothing of the message was sent.

    `of_account` tells that no other message could be sent either.
    """

    code: str
    reason: str
    of_account: bool = False


Exchange = Accepted | Refused | Lost | Unfit | Withheld


class Interrupted(Exception):
    """Carries the end of a conversation out of its steps."""

    def __init__(self, end: Refused | Lost | Unfit) -> None:
        super().__init__(type(end).__name__)
        self.end = end
