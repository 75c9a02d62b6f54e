"""Measures texts in UTF-16 units and finds characters that no message may hold."""

import re

from messaging.domain.shared.errors import Violation

# C0 and C1 controls except tab, line feed and carriage return; halves of surrogate pairs cannot be encoded at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_FORBIDDEN_ON_ONE_LINE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
# Invisible characters: white space, Unicode's Default_Ignorable_Code_Point (zero-width, joiners, fillers, variation
# selectors, tags), annotation marks, and the braille and Hangul blanks.
_UNSEEN = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)
_LONGEST_STEP = 64


def utf16_units(text: str) -> int:
    """Length as UTF-16 counts it: an emoji is two.

    Providers do not say whether they count characters or units; the stricter reading, units, is refused by neither.
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def is_clean(text: str) -> bool:
    """Whether the text has no control characters; line breaks and tabs are allowed."""
    return _FORBIDDEN.search(text) is None


def is_clean_line(text: str) -> bool:
    """Whether the text has no control characters, line breaks or tabs."""
    return _FORBIDDEN_ON_ONE_LINE.search(text) is None


def is_plain(text: str) -> bool:
    """Whether the text is printable ASCII on one line and not blank, as most texts are; a fast check that makes others
    unnecessary.
    """
    return text.isascii() and text.isprintable() and bool(text) and not text.isspace()


def is_blank(text: str) -> bool:
    """Whether nothing of the text can be seen: it is empty, white space of any kind, or only invisible characters."""
    return _UNSEEN.fullmatch(text) is not None


def control_character(pointer: str) -> Violation:
    detail = "It holds a control character (such as NUL) or half of a surrogate pair. Remove it."
    return Violation(pointer=pointer, code="control_character", detail=detail)


def value_empty(pointer: str, detail: str) -> Violation:
    return Violation(pointer=pointer, code="value_empty", detail=detail)


def too_long(pointer: str, *, units: int, limit: int) -> Violation:
    """`units` and `limit` in UTF-16 units."""
    detail = f"It has {units} characters (UTF-16 units); at most {limit} are allowed. Shorten it."
    return Violation(pointer=pointer, code="value_too_long", detail=detail)


def text_violations(pointer: str, text: str, *, limit: int) -> list[Violation]:
    """Violations of a text that must not be blank, too long, or hold control characters."""
    if is_blank(text):
        return [value_empty(pointer, "It is empty. Write something, or leave it out where it is optional.")]
    found = [] if is_clean(text) else [control_character(pointer)]
    if (units := utf16_units(text)) > limit:
        found.append(too_long(pointer, units=units, limit=limit))
    return found


def step(name: str) -> str:
    """`/name` as one step of a JSON Pointer (RFC 6901), or nothing for a name that is too long or unclean to repeat."""
    if len(name) > _LONGEST_STEP or not is_clean_line(name):
        return ""
    return "/" + name.replace("~", "~0").replace("/", "~1")
