"""The number WhatsApp knows a user by, which in three countries is not the number people write."""

import re
from typing import Final

_MEXICO: Final = re.compile(r"52([0-9]{10})")
_ARGENTINA: Final = re.compile(r"54([1-9][0-9]{9})")
# Area codes from 31 on: their users joined before the ninth digit came, and are known without it.
_BRAZIL: Final = re.compile(r"55([3-9][1-9])9([6-9][0-9]{7})")


def wa_id_of(digits: str) -> str:
    """`digits` is a number without '+'; the answer is the same for each spelling of it."""
    if found := _MEXICO.fullmatch(digits):
        return f"521{found[1]}"
    if found := _ARGENTINA.fullmatch(digits):
        return f"549{found[1]}"
    if found := _BRAZIL.fullmatch(digits):
        return f"55{found[1]}{found[2]}"
    return digits
