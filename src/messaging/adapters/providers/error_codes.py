"""The table of a provider's error codes, and what follows for a send that is refused with one of them."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final, assert_never

from msgspec import Struct

from messaging.domain.messages.retry import Failure, Rejected, Scope, Throttled, Unavailable, Uncertain

# The wait after a refusal that names none, if the code's entry has none either.
DEFAULT_WAIT: Final = timedelta(seconds=5)


class Kind(StrEnum):
    """What to do after a refusal with the code."""

    # The request was not accepted; the same request may succeed later.
    TRANSIENT = "transient"
    # The request was not accepted, because its scope (such as a sender or a recipient) exceeded a rate.
    THROTTLED = "throttled"
    # This message can never be sent.
    MESSAGE = "message"
    # No such message can be sent until a person changes the configuration of the scope.
    CONFIGURATION = "configuration"
    # The message may have been sent: the provider does not exclude it.
    UNCLEAR = "unclear"


class Meaning(Struct, frozen=True, kw_only=True):
    """What a code says. `wait` is the time to wait when the provider states none.

    The table of a provider whose codes are words is a mapping from code to this.
    """

    kind: Kind
    scope: Scope
    title: str
    advice: str
    wait: timedelta | None = None


class CodeEntry(Meaning, frozen=True, kw_only=True):
    """A line of the table of a provider whose codes are numbers. `codes` includes both ends."""

    codes: tuple[int, int]


class ErrorCodes:
    """A table in which lines for one code come before those for a range that holds it."""

    def __init__(self, table: Sequence[CodeEntry]) -> None:
        self._singles = {entry.codes[0]: entry for entry in table if entry.codes[0] == entry.codes[1]}
        self._ranges = tuple(entry for entry in table if entry.codes[0] != entry.codes[1])

    def find(self, code: int) -> CodeEntry | None:
        """The table's line for a code; None for an unknown code."""
        if (single := self._singles.get(code)) is not None:
            return single
        return next((entry for entry in self._ranges if entry.codes[0] <= code <= entry.codes[1]), None)


def refusal(
    entry: Meaning, *, code: str, reason: str, status: int, told: timedelta | None, scope: Scope | None = None
) -> Failure:
    """The outcome of a send that was refused. `told` is the wait that the provider asked for, and `scope` replaces
    the entry's.
    """
    concerns = scope or entry.scope
    match entry.kind:
        case Kind.UNCLEAR:
            return Uncertain(code=code, reason=reason, http_status=status)
        case Kind.TRANSIENT:
            wait = told or entry.wait
            return Unavailable(code=code, reason=reason, scope=concerns, retry_after=wait, http_status=status)
        case Kind.THROTTLED:
            wait = told or entry.wait or DEFAULT_WAIT
            return Throttled(code=code, reason=reason, scope=concerns, retry_after=wait, http_status=status)
        case Kind.MESSAGE | Kind.CONFIGURATION:
            if concerns is Scope.CREDENTIAL:
                # The message is not at fault: it waits until the account has working credentials.
                return Unavailable(code=code, reason=reason, scope=concerns, http_status=status)
            return Rejected(code=code, reason=reason, scope=concerns, http_status=status)
        case _:
            assert_never(entry.kind)
