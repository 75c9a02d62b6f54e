"""The recipients of a storm: addresses whose last digits decide what the look-alike of their provider does.

The same digits mean much the same at every look-alike; docs/sandbox.md has their tables.
"""

from collections.abc import Mapping
from typing import Final

from messaging.entrypoints.sandbox.core.fates.outcomes import MAGIC

# Outcomes in per mille; the rest is ordinary: sent, and delivered and read where the provider tells.
_ACCEPTED_BUT: Final = (46, 47, 51, 52, 54, 55, 56)
NEVER_ACCEPTED: Final = (45, 53, 57)
_NUMBERS: Final[dict[int, int]] = {
    **dict.fromkeys(_ACCEPTED_BUT, 10),
    **dict.fromkeys(NEVER_ACCEPTED, 10),
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 10, 19, 20, 21, 50, 60, 61, 62, 63, 64, 66), 10),
    **dict.fromkeys((9, 65, 71), 3),
    70: 1,
}
# Refusals for now are left out: mail servers ask for minutes.
_MAILBOXES: Final[dict[int, int]] = {
    **dict.fromkeys((51, 52, 55, 58), 10),
    **dict.fromkeys((10, 11, 12, 13, 14, 15, 16), 10),
    **dict.fromkeys((20, 21, 22, 23, 24, 25, 26, 27), 5),
    50: 10,
}
FATES: Final[Mapping[str, Mapping[int, int]]] = {"whatsapp": _NUMBERS, "sms": _NUMBERS, "email": _MAILBOXES}
# Digits that decide the outcome.
TAIL: Final = 7

# The number must not begin with a zero, which would be read as a prefix for calls within the country.
_FIRST_NUMBER: Final = 100_000


def magic_tail(digits: int) -> str:
    return f"{MAGIC}{digits:02d}"


def address(number: int, tail: str, channel: str) -> str:
    """The recipient of a storm's message of that number. Germany's phone numbers may be long enough for a number of
    ours before the seven digits of the tail.
    """
    mine = f"{_FIRST_NUMBER + number:06d}{tail}"
    return f"a{mine}@storm.example" if channel == "email" else f"+49{mine}"


def tail_of(to: str) -> str:
    return to.partition("@")[0][-TAIL:]
