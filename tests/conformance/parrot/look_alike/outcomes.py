"""The magic recipients, and what happens to a message to each."""

from typing import Final

import msgspec

from messaging.entrypoints.sandbox.core.fates import outcomes
from messaging.entrypoints.sandbox.core.fates.outcomes import magic_digits


class Step(msgspec.Struct, frozen=True):
    """One status; `code` is the error code of a failure."""

    status: str
    code: str | None = None


Script = tuple[Step, ...]
SENT, DELIVERED, READ = Step("sent"), Step("delivered"), Step("read")


class Outcome(outcomes.Outcome[Step, str], frozen=True, kw_only=True):
    """A recipient's fate."""

    script: Script = (SENT, DELIVERED, READ)


ORDINARY: Final = Outcome(summary="sent, delivered, read")
OUTCOMES: Final[dict[int, Outcome]] = {
    2: Outcome(summary="sent, never delivered", script=(SENT,)),
    3: Outcome(summary="accepted, then silence", script=()),
    10: Outcome(summary="sent, then failed: unreachable", script=(SENT, Step("failed", "unreachable"))),
    20: Outcome(summary="refused: invalid number", refuse="invalid_recipient"),
    23: Outcome(summary="refused: opted out", refuse="opted_out"),
    24: Outcome(summary="refused: too many requests", refuse="rate_limited"),
    43: Outcome(summary="refused: overloaded", refuse="overloaded"),
    45: Outcome(summary="HTTP 500, not accepted", mode="500_before"),
    46: Outcome(summary="HTTP 500, accepted all the same", mode="500_after"),
    51: Outcome(summary="accepted, no answer", mode="hang_after"),
    52: Outcome(summary="accepted, connection reset", mode="reset_after"),
    58: Outcome(summary="accepted, connection reset, then silence", mode="reset_after", script=()),
    60: Outcome(summary="every webhook comes twice", duplicated=True),
    62: Outcome(summary="the sent webhook comes before the answer", first_status_before_answer=True),
}


def outcome_for(to: str) -> Outcome:
    """The fate of a message to this number."""
    digits = magic_digits(to)
    return ORDINARY if digits is None else OUTCOMES.get(digits, ORDINARY)
