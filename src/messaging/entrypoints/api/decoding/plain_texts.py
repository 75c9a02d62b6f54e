"""Rewrites the decoder's messages for the caller who wrote the request: no type names, no regular expressions."""

import re
from typing import Final

_KINDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "datetime": "an instant such as 2026-11-29T09:30:00Z",
}
_GOT: Final = re.compile(r"Expected `([\w |]+)`, got `(\w+)`")
_LENGTH: Final = re.compile(r"Expected `(\w+)` of length (>=|<=|==) (\d+)")
_BOUND: Final = re.compile(r"Expected `(\w+)` (>=|<=|>|<|==) (-?[\d.]+)")
_COMPARED: Final = {
    ">=": "at least",
    "<=": "at most",
    "==": "exactly",
    ">": "more than",
    "<": "less than",
}
_INSTANT: Final = "Write an instant as RFC 3339 has it, with an offset, such as 2026-11-29T09:30:00Z"
_UNITS: Final = {"str": "characters", "array": "items", "object": "entries"}


def in_plain_words(message: str) -> str:
    """The same in plain words. `message` is msgspec's, without the part that tells the place; the result has no full
    stop.
    """
    if (found := _GOT.match(message)) is not None:
        return f"Give {_kinds(found[1])}, not {_kinds(found[2])}"
    if (found := _LENGTH.match(message)) is not None:
        return f"Give {_COMPARED[found[2]]} {found[3]} {_UNITS.get(found[1], 'items')}"
    if (found := _BOUND.match(message)) is not None:
        return f"Give {_COMPARED[found[2]]} {found[3]}"
    if "datetime" in message or "RFC3339" in message:
        return _INSTANT
    if "matching regex" in message:
        return "This is not spelt as it must be; the API reference shows the pattern and an example"
    return "This value is not allowed here"


def _kinds(names: str) -> str:
    return " or ".join(_KINDS.get(name.strip(), name.strip()) for name in names.split("|"))
