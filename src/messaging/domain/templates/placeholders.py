"""Finds the `{{placeholders}}` of a template's text and fills them.

There is no expression language: a placeholder is a name between `{{` and `}}`, anything else is text. Parsing takes
time proportional to the length of the text.
"""

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from messaging.domain.content.parameters import Value
from messaging.domain.shared.text import utf16_units

_OPEN, _CLOSE = "{{", "}}"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_LONGEST_NAME = 64


class Pattern(Struct, frozen=True, kw_only=True):
    """A text cut at its placeholders: `texts[0] + blanks[0] + texts[1] + …`, so there is one text more than blanks.

    `names` are the blanks' distinct names in order of first appearance; `units` is the length of all texts in UTF-16
    units. `well_formed` is false when braces are left that open or close nothing or hold no name, or when a name is
    padded with spaces (`{{ 1 }}` is read all the same).
    """

    texts: tuple[str, ...]
    blanks: tuple[str, ...]
    names: tuple[str, ...]
    units: int
    well_formed: bool


@lru_cache(maxsize=4096)
def read(text: str) -> Pattern:
    """Find the placeholders. Results are cached, because a template is sent many times."""
    texts, blanks = list[str](), list[str]()
    cut = rest = 0
    padded = False
    while (start := text.find(_OPEN, rest)) >= 0 and (end := text.find(_CLOSE, start)) >= 0:
        # `{{{1}}` opens at its last two braces; what stands before them is text.
        start = text.rfind(_OPEN, start, end)
        rest = end + len(_CLOSE)
        name = text[start + len(_OPEN) : end].strip(" ")
        if 0 < len(name) <= _LONGEST_NAME and _NAME.issuperset(name):
            texts.append(text[cut:start])
            blanks.append(name)
            cut = rest
            padded |= len(name) < end - start - len(_OPEN)
    texts.append(text[cut:])
    return Pattern(
        texts=tuple(texts),
        blanks=tuple(blanks),
        names=tuple(dict.fromkeys(blanks)),
        units=sum(map(utf16_units, texts)),
        well_formed=not padded and not any(_OPEN in part or _CLOSE in part for part in texts),
    )


def fill(pattern: Pattern, values: Mapping[str, Value]) -> str:
    """The text with its placeholders filled; one without a value stays visible as `{{name}}`."""
    parts = [pattern.texts[0]]
    for name, text in zip(pattern.blanks, pattern.texts[1:], strict=True):
        parts += (str(values.get(name, _OPEN + name + _CLOSE)), text)
    return "".join(parts)


def filled_units(pattern: Pattern, values: Mapping[str, Value]) -> int:
    """Length of the filled text in UTF-16 units; placeholders without a text add nothing."""
    units = pattern.units
    for name in pattern.blanks:
        value = values.get(name, "")
        units += utf16_units(value) if isinstance(value, str) else 0
    return units
