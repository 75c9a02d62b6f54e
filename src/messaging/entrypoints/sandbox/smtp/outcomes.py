"""The magic recipients of the mail server, and what happens to a message to each.

A recipient is magic by the name before its `@` (`unknown-user@example.com`), or by a number that ends in 55501 and two
digits (`5550120@example.com`). What follows a `+` is ignored, so that tests can tell recipients apart:
`bounce+42@example.com`. A name like `550-5.7.1` is refused with exactly that reply.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec

from messaging.entrypoints.sandbox.core.fates.outcomes import magic_digits


class Point(StrEnum):
    """When the server answers with the refusal."""

    RCPT = "rcpt"
    CONTENT = "content"


class Mode(StrEnum):
    """A conversation that does not take its course, as a recipient or a scripted fault makes it."""

    # Closed when the content is awaited; nothing is taken.
    LOST_BEFORE = "lost_before"
    # Reset while the content is being read; nothing is taken.
    LOST_IN_CONTENT = "lost_in_content"
    # Taken, and closed without an answer to the final dot.
    LOST_AFTER = "lost_after"
    # No answer to the recipient, nothing is taken.
    HANG_BEFORE = "hang_before"
    # Taken, and never answered.
    HANG_AFTER = "hang_after"
    # Taken, and answered late.
    SLOW = "slow"
    # Taken, and answered with something that is no reply.
    GARBLED = "garbled"
    # The connection is closed with 421 instead of an answer to MAIL.
    CLOSING = "closing"


class Returns(StrEnum):
    """What is mailed to the return path of a message that was taken."""

    FAILED = "failed"
    DELAYED = "delayed"
    # A failure in words only, as some old servers write it.
    WORDS = "words"
    COMPLAINT = "complaint"
    AUTO_REPLY = "auto_reply"


class Refusal(msgspec.Struct, frozen=True):
    """A reply with which a message is refused; `times` in a row, or always."""

    code: int
    status: str
    text: str
    point: Point = Point.RCPT
    times: int | None = None

    @property
    def line(self) -> str:
        return f"{self.code} {self.status} {self.text}"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient's fate."""

    name: str
    summary: str
    refusal: Refusal | None = None
    mode: Mode | None = None
    returns: tuple[Returns, ...] = ()
    status: str = "5.1.1"
    """The enhanced code in a report about it."""
    diagnostic: str = "550 5.1.1 No such user"


ORDINARY: Final = Outcome(name="accepted", summary="taken; nothing more is heard of it")


def _refused(name: str, code: int, status: str, text: str, **how: object) -> Outcome:
    refusal = Refusal(code, status, text, **how)  # type: ignore[arg-type]
    once = f", the first {refusal.times} times only" if refusal.times else ""
    return Outcome(name=name, summary=f"refused with {code} {status}: {text}{once}", refusal=refusal)


def _broken(name: str, mode: Mode, summary: str, *returns: Returns) -> Outcome:
    return Outcome(name=name, summary=summary, mode=mode, returns=returns)


_END: Final = Point.CONTENT

OUTCOMES: Final[dict[int, Outcome]] = {
    0: ORDINARY,
    10: Outcome(name="bounce", summary="taken, then returned with 5.1.1", returns=(Returns.FAILED,)),
    11: Outcome(
        name="bounce-full",
        summary="taken, then returned with 5.2.2: mailbox full",
        returns=(Returns.FAILED,),
        status="5.2.2",
        diagnostic="552 5.2.2 Mailbox full",
    ),
    12: Outcome(
        name="delayed",
        summary="taken, then reported as delayed",
        returns=(Returns.DELAYED,),
        status="4.4.1",
        diagnostic="connect: no answer",
    ),
    13: Outcome(
        name="delayed-bounce",
        summary="taken, reported as delayed, then returned",
        returns=(Returns.DELAYED, Returns.FAILED),
    ),
    14: Outcome(name="bounce-words", summary="taken, then returned in words only", returns=(Returns.WORDS,)),
    15: Outcome(name="complaint", summary="taken, then complained of as unwanted", returns=(Returns.COMPLAINT,)),
    16: Outcome(name="auto-reply", summary="taken, then answered by a program", returns=(Returns.AUTO_REPLY,)),
    20: _refused("unknown-user", 550, "5.1.1", "No such user here"),
    21: _refused("no-domain", 550, "5.1.2", "Host unknown"),
    22: _refused("null-mx", 556, "5.1.10", "Recipient address has null MX"),
    23: _refused("disabled", 550, "5.2.1", "The email account is disabled"),
    24: _refused("over-quota", 552, "5.2.2", "The mailbox is over quota", point=_END),
    25: _refused("too-large", 552, "5.3.4", "Message size exceeds fixed limit", point=_END),
    26: _refused("bad-content", 554, "5.6.0", "Message content is malformed", point=_END),
    27: _refused("policy", 554, "5.7.1", "Message rejected by policy", point=_END),
    28: _refused("unauthenticated", 550, "5.7.26", "This mail is unauthenticated", point=_END),
    29: _refused("bulk", 550, "5.7.515", "Access denied, sending domain does not meet the required level", point=_END),
    30: _refused("send-as", 550, "5.7.60", "Client does not have permissions to send as this sender", point=_END),
    31: _refused("no-relay", 554, "5.7.1", "Relay access denied"),
    32: _refused("no-login", 530, "5.7.0", "Authentication required"),
    40: _refused("greylist", 451, "4.7.1", "Greylisted, try again in 5 minutes", times=1),
    41: _refused("mailbox-full", 452, "4.2.2", "The mailbox is full"),
    42: _refused("unavailable", 450, "4.2.0", "Mailbox unavailable", times=1),
    43: _refused("local-error", 451, "4.3.0", "Temporary system problem", point=_END, times=1),
    44: _refused("closing", 421, "4.3.2", "Service closing", times=1),
    45: _refused("rate", 421, "4.7.0", "Try again later, closing connection", times=1),
    46: _refused("domain-rate", 450, "4.7.28", "Unusual rate of mail for this domain", times=1),
    47: _refused("throttled", 454, "4.7.0", "Throttling failure: Maximum sending rate exceeded", point=_END, times=1),
    48: _refused("daily-quota", 454, "4.7.0", "Throttling failure: Daily message quota exceeded", point=_END),
    50: _broken("slow", Mode.SLOW, "taken, and answered late"),
    51: _broken("hang-after", Mode.HANG_AFTER, "taken, no answer"),
    52: _broken("lost-after", Mode.LOST_AFTER, "taken, connection closed without an answer"),
    53: _broken("lost-before", Mode.LOST_BEFORE, "connection closed when the content is awaited, not taken"),
    54: _broken("lost-in-content", Mode.LOST_IN_CONTENT, "connection reset within the content, not taken"),
    55: _broken("garbled", Mode.GARBLED, "taken, and answered with something that is no reply"),
    57: _broken("hang-before", Mode.HANG_BEFORE, "no answer to the recipient, not taken"),
    58: _broken("lost-bounce", Mode.LOST_AFTER, "taken, closed without an answer, then returned", Returns.FAILED),
}
_BY_NAME: Final = {outcome.name: outcome for outcome in OUTCOMES.values()}
_SPELLED: Final = re.compile(r"([45]\d\d)-([45]\.\d{1,3}\.\d{1,3})")


def outcome_for(recipient: str) -> Outcome:
    """The fate of a message to this address."""
    name = recipient.partition("@")[0].partition("+")[0].lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    if (digits := magic_digits(name)) is not None:
        return OUTCOMES.get(digits, ORDINARY)
    if (spelled := _SPELLED.fullmatch(name)) is not None:
        return _refused(name, int(spelled[1]), spelled[2], "Refused as asked for")
    return ORDINARY
