"""The magic recipients, and what happens to a message to each."""

from typing import Final

import msgspec

from messaging.entrypoints.sandbox.core.fates import outcomes
from messaging.entrypoints.sandbox.core.fates.outcomes import magic_digits, refusal_summary

REPLY_TEXT: Final = "Thanks!"


class Step(msgspec.Struct, frozen=True):
    """One status as a webhook; `code` is the error code of a failure."""

    status: str
    code: int | None = None


Script = tuple[Step, ...]

QUEUED, SENDING, SENT, DELIVERED = Step("queued"), Step("sending"), Step("sent"), Step("delivered")
EVERYTHING: Script = (SENT, DELIVERED)


class Outcome(outcomes.Outcome[Step, int], frozen=True, kw_only=True):
    """A recipient's fate."""

    script: Script = EVERYTHING
    says: str = ""
    """What the person writes after the last status."""
    hidden: bool = False
    """Twilio has no record of the message when it is asked."""


def _fails(code: int, summary: str, status: str = "undelivered") -> Outcome:
    return Outcome(summary=f"sent, then {status} with {code}: {summary}", script=(SENT, Step(status, code)))


def _refuses(code: int, summary: str, times: int | None = None) -> Outcome:
    return Outcome(summary=refusal_summary(code, summary, times), refuse=code, refusals=times)


ORDINARY: Final = Outcome(summary="sent, delivered")
# The ends are those of the other look-alikes where the outcome is the same.
OUTCOMES: Final[dict[int, Outcome]] = {
    0: ORDINARY,
    1: Outcome(summary="queued, sending, sent, delivered: a webhook for each", script=(QUEUED, SENDING, *EVERYTHING)),
    2: Outcome(summary="sent, never delivered", script=(SENT,)),
    3: Outcome(summary="accepted, then silence", script=()),
    5: Outcome(summary="sent, delivered, and the person replies", says=REPLY_TEXT),
    6: Outcome(summary="failed, and delivered after all", script=(Step("failed", 30008), DELIVERED)),
    7: Outcome(summary="sent, delivered, and the person replies STOP", says="STOP"),
    10: _fails(30003, "unreachable handset"),
    11: _fails(30004, "blocked"),
    12: _fails(30005, "unknown handset"),
    13: _fails(30006, "landline"),
    14: _fails(30007, "filtered"),
    15: _fails(30008, "unknown error"),
    16: Outcome(summary="failed with 30034: unregistered number", script=(Step("failed", 30034),)),
    17: Outcome(summary="failed with 21610: opted out", script=(Step("failed", 21610),)),
    18: Outcome(summary="failed without an error code", script=(Step("failed"),)),
    19: Outcome(summary="failed with 30036: not delivered within its validity", script=(Step("failed", 30036),)),
    20: _refuses(21211, "invalid number"),
    21: _refuses(21614, "not a mobile number"),
    22: _refuses(21612, "not reachable from this sender"),
    23: _refuses(21610, "opted out"),
    24: _refuses(20429, "too many requests"),
    25: _refuses(21611, "the sender's queue is full"),
    30: _refuses(20003, "credentials wrong"),
    31: _refuses(20005, "account not active"),
    33: _refuses(21408, "country not permitted"),
    34: _refuses(21608, "trial account"),
    38: _refuses(21606, "sender not usable"),
    40: _refuses(20500, "internal error, HTTP 500"),
    43: _refuses(20503, "service unavailable, HTTP 503"),
    45: Outcome(summary="HTTP 500 without JSON, not accepted", mode="500_before"),
    46: Outcome(summary="HTTP 500 without JSON, accepted all the same", mode="500_after"),
    47: Outcome(summary="HTTP 503 without JSON, accepted all the same", mode="503_after"),
    50: Outcome(summary="answers slowly", mode="slow"),
    51: Outcome(summary="accepted, no answer", mode="hang_after"),
    52: Outcome(summary="accepted, connection reset", mode="reset_after"),
    53: Outcome(summary="connection reset, not accepted", mode="reset_before"),
    54: Outcome(summary="accepted, the 201 is cut off", mode="truncated_200"),
    55: Outcome(summary="accepted, the 201 is not JSON", mode="non_json_200"),
    56: Outcome(summary="accepted, the 201 has no SID", mode="no_id_200"),
    57: Outcome(summary="not accepted, no answer", mode="hang_before"),
    58: Outcome(summary="accepted, connection reset, then silence: only asking tells", mode="reset_after", script=()),
    59: Outcome(
        summary="accepted, connection reset, silence, and no record", mode="reset_after", script=(), hidden=True
    ),
    60: Outcome(summary="every webhook comes twice", duplicated=True),
    61: Outcome(summary="webhooks come in reverse: delivered, sent", script=(DELIVERED, SENT)),
    62: Outcome(summary="the sent webhook comes before the answer", first_status_before_answer=True),
    63: Outcome(summary="in reverse and twice each", script=(DELIVERED, SENT), duplicated=True),
    64: Outcome(summary="webhooks come late", late=True),
    66: Outcome(summary="no answer, undelivered with 30003", mode="hang_after", script=(Step("undelivered", 30003),)),
    70: _refuses(20429, "too many requests", times=1),
    72: _refuses(21611, "the sender's queue is full", times=1),
    73: _refuses(20429, "too many requests", times=3),
    74: _refuses(20003, "credentials wrong", times=1),
    75: _refuses(20500, "internal error, HTTP 500", times=1),
}


def outcome_for(to: str) -> Outcome:
    """The fate of a message to this number."""
    digits = magic_digits(to)
    return ORDINARY if digits is None else OUTCOMES.get(digits, ORDINARY)
