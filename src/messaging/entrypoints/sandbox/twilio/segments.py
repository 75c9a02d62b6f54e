"""Counts the segments of an SMS as Twilio bills them."""

from collections.abc import Iterable
from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[]~|€\f")


def count(text: str) -> int:
    """GSM-7 has 160 characters in one segment and 153 in each of several; anything else has 70 and 67."""
    if all(char in _BASIC or char in _EXTENDED for char in text):
        return _fill((2 if char in _EXTENDED else 1 for char in text), 160, 153)
    return _fill((2 if ord(char) > 0xFFFF else 1 for char in text), 70, 67)


def _fill(sizes: Iterable[int], whole: int, part: int) -> int:
    """Characters are never split between two segments."""
    listed = list(sizes)
    if sum(listed) <= whole:
        return 1
    segments, used = 1, 0
    for size in listed:
        if used + size > part:
            segments, used = segments + 1, 0
        used += size
    return segments
