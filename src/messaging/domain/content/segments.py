"""Counts the segments of a text message, in which networks carry it and providers charge for it.

A text whose characters are all in the GSM 03.38 alphabet has 160 septets in one segment, or 153 in each of several; the
rest of a segment is needed to put them together again. Any other character makes the whole text UCS-2, with 70 or 67
UTF-16 units. A character that takes two septets or two units is never cut in two, so a segment may stay one short.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Two septets each: an escape, and the character.
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
_GSM_7: Final = _BASIC | _EXTENSION
_MOST_NAMED: Final = 10


class SmsEncoding(StrEnum):
    GSM_7 = "gsm7"
    UCS_2 = "ucs2"


class Segments(Struct, frozen=True, kw_only=True):
    """What a text message is cut into."""

    encoding: Annotated[SmsEncoding, Meta(description="How its characters are written.")]
    segments: Annotated[int, Meta(description="Into how many segments it is cut; each is charged for.")]
    units: Annotated[int, Meta(description="Its length: septets of `gsm7`, UTF-16 units of `ucs2`.")]
    not_gsm: Annotated[
        tuple[str, ...], Meta(description="The characters that make it `ucs2`, at most ten of them; none in `gsm7`.")
    ] = ()


def count_segments(text: str) -> Segments:
    """The segments of a text that goes out as it is; an empty one takes one segment."""
    if not (others := set(text) - _GSM_7):
        widths = [2 if char in _EXTENSION else 1 for char in text]
        return Segments(encoding=SmsEncoding.GSM_7, segments=_parts(widths, 160, 153), units=sum(widths))
    widths = [2 if char > "\uffff" else 1 for char in text]
    return Segments(
        encoding=SmsEncoding.UCS_2,
        segments=_parts(widths, 70, 67),
        units=sum(widths),
        not_gsm=tuple(sorted(others)[:_MOST_NAMED]),
    )


def _parts(widths: list[int], alone: int, of_several: int) -> int:
    if sum(widths) <= alone:
        return 1
    parts, used = 1, 0
    for width in widths:
        if used + width > of_several:
            parts, used = parts + 1, 0
        used += width
    return parts
