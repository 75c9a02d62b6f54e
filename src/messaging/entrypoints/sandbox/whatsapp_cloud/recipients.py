"""The magic recipients, and what happens to a message to each."""

import msgspec

from messaging.entrypoints.sandbox.core.fates import outcomes
from messaging.entrypoints.sandbox.core.fates.outcomes import magic_digits, refusal_summary

REPLY_TEXT = "Thanks!"
"""What the replying user writes."""


class Step(msgspec.Struct, frozen=True):
    """One status webhook; `code` makes it a `failed` one."""

    status: str
    code: int | None = None


Script = tuple[Step, ...]

SENT, DELIVERED, READ = Step("sent"), Step("delivered"), Step("read")
EVERYTHING: Script = (SENT, DELIVERED, READ)


class Outcome(outcomes.Outcome[Step, int], frozen=True, kw_only=True):
    """A recipient's fate."""

    script: Script = EVERYTHING
    echo: bool = True
    """Whether webhooks repeat `biz_opaque_callback_data`."""
    replies: bool = False
    """The user answers with a text after the last status."""
    held: bool = False
    """The answer says `held_for_quality_assessment`."""
    other_wa_id: bool = False
    """The canonical id differs from the number that was asked for."""


def _fails(code: int, summary: str) -> Outcome:
    return Outcome(summary=f"accepted, then failed with {code}: {summary}", script=(Step("failed", code),))


def _refuses(code: int, summary: str, times: int | None = None) -> Outcome:
    return Outcome(summary=refusal_summary(code, summary, times), refuse=code, refusals=times)


ORDINARY = Outcome(summary="sent, delivered, read")

OUTCOMES: dict[int, Outcome] = {
    0: ORDINARY,
    1: Outcome(summary="sent, delivered, never read", script=(SENT, DELIVERED)),
    2: Outcome(summary="sent, never delivered", script=(SENT,)),
    3: Outcome(summary="accepted, then silence", script=()),
    4: Outcome(summary="read without a delivered status", script=(SENT, READ)),
    5: Outcome(summary="sent, delivered, read, and the user replies", replies=True),
    6: Outcome(summary="failed, and delivered after all", script=(SENT, Step("failed", 131026), DELIVERED)),
    7: Outcome(summary="held for quality assessment, then released", held=True),
    8: Outcome(
        summary="held for quality assessment, then dropped with 132015",
        held=True,
        script=(Step("failed", 132015),),
    ),
    9: Outcome(summary="reached under another wa_id than asked for", other_wa_id=True),
    10: _fails(131026, "undeliverable"),
    11: _fails(131049, "marketing cap of the user"),
    12: _fails(131050, "user stopped marketing"),
    13: _fails(131047, "24-hour window closed"),
    14: _fails(131053, "media could not be fetched"),
    15: _fails(131042, "payment problem"),
    16: _fails(131048, "spam limit"),
    17: _fails(131000, "unknown error"),
    18: _fails(130472, "marketing experiment"),
    19: Outcome(summary="sent, then failed with 131026", script=(SENT, Step("failed", 131026))),
    20: _refuses(131026, "undeliverable"),
    21: _refuses(100, "invalid parameter"),
    22: _refuses(131009, "parameter value"),
    23: _refuses(131008, "parameter missing"),
    24: _refuses(130429, "throughput of the number"),
    25: _refuses(131056, "pair rate"),
    26: _refuses(131048, "spam limit"),
    27: _refuses(80007, "account rate limit"),
    28: _refuses(4, "app rate limit"),
    30: _refuses(190, "token invalid"),
    31: _refuses(10, "permission missing"),
    32: _refuses(200, "asset access missing"),
    33: _refuses(368, "account restricted"),
    34: _refuses(131031, "account locked"),
    35: _refuses(131042, "payment problem"),
    36: _refuses(131005, "access denied"),
    37: _refuses(130497, "country restricted"),
    38: _refuses(133010, "number not registered"),
    40: _refuses(131000, "unknown error, HTTP 500"),
    41: _refuses(1, "unknown error of the platform, HTTP 500"),
    42: _refuses(2, "platform unavailable, HTTP 503"),
    43: _refuses(131016, "service unavailable, HTTP 503"),
    44: _refuses(131057, "maintenance, HTTP 500"),
    45: Outcome(summary="HTTP 500 without JSON, not accepted", mode="500_before"),
    46: Outcome(summary="HTTP 500 without JSON, accepted all the same", mode="500_after"),
    47: Outcome(summary="HTTP 503 without JSON, accepted all the same", mode="503_after"),
    50: Outcome(summary="answers slowly", mode="slow"),
    51: Outcome(summary="accepted, no answer", mode="hang_after"),
    52: Outcome(summary="accepted, connection reset", mode="reset_after"),
    53: Outcome(summary="connection reset, not accepted", mode="reset_before"),
    54: Outcome(summary="accepted, the 200 is cut off", mode="truncated_200"),
    55: Outcome(summary="accepted, the 200 is not JSON", mode="non_json_200"),
    56: Outcome(summary="accepted, the 200 has no message id", mode="no_id_200"),
    57: Outcome(summary="not accepted, no answer", mode="hang_before"),
    60: Outcome(summary="every webhook arrives twice", duplicated=True),
    61: Outcome(summary="webhooks arrive in reverse: read, delivered, sent", script=(READ, DELIVERED, SENT)),
    62: Outcome(summary="the sent webhook arrives before the answer", first_status_before_answer=True),
    63: Outcome(summary="in reverse and twice each", script=(READ, DELIVERED, SENT), duplicated=True),
    64: Outcome(summary="webhooks come late", late=True),
    65: Outcome(
        summary="failed with 131026, webhook without our reference",
        script=(Step("failed", 131026),),
        echo=False,
    ),
    66: Outcome(summary="no answer, failed with 131026", mode="hang_after", script=(Step("failed", 131026),)),
    70: _refuses(130429, "throughput of the number", times=1),
    71: _refuses(131056, "pair rate", times=1),
    72: _refuses(131048, "spam limit", times=1),
    73: _refuses(130429, "throughput of the number", times=3),
    74: _refuses(190, "token invalid", times=1),
    75: _refuses(131000, "unknown error, HTTP 500", times=1),
}


def outcome_for(recipient: str) -> Outcome:
    """The fate of a message to these digits (or to a business-scoped id ending in them)."""
    digits = magic_digits(recipient)
    return ORDINARY if digits is None else OUTCOMES.get(digits, ORDINARY)
