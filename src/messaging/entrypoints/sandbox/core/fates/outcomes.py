"""What look-alikes have in common about magic recipients: how they are recognised, and what can happen to a message."""

from typing import Final, Generic, TypeVar

import msgspec

from messaging.entrypoints.sandbox.core.fates.faults import Mode

MAGIC: Final = "55501"
"""A recipient ending in this and two more digits is magic; the 555-01XX block is reserved for fiction."""

StepT = TypeVar("StepT")
CodeT = TypeVar("CodeT", int, str)


class Outcome(msgspec.Struct, Generic[StepT, CodeT], frozen=True, kw_only=True):
    """A recipient's fate. A provider's own type adds what only that provider does."""

    summary: str
    refuse: CodeT | None = None
    """The provider's error code that the send is refused with."""
    refusals: int | None = None
    """How many sends in a row are refused before one is accepted; None: every one."""
    mode: Mode | None = None
    """A damaged answer, as a scripted fault of that name gives it."""
    script: tuple[StepT, ...] = ()
    duplicated: bool = False
    """Every webhook comes twice."""
    first_status_before_answer: bool = False
    late: bool = False
    """Webhooks are held back by `webhook_late_ms`."""


def magic_digits(recipient: str) -> int | None:
    """The two digits that choose the outcome; None for an ordinary recipient."""
    is_magic = recipient[-7:-2] == MAGIC and recipient[-2:].isdecimal()
    return int(recipient[-2:]) if is_magic else None


def refusal_summary(code: int | str, summary: str, times: int | None) -> str:
    """What an outcome that refuses says of itself; `times` as `Outcome.refusals`."""
    how_often = "" if times is None else f", the first {'time' if times == 1 else f'{times} times'} only"
    return f"refused with {code}: {summary}{how_often}"
