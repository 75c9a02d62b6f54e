"""Reads phone numbers as people write them. A missing country code is not guessed: a guess would send to a stranger."""

import re
import unicodedata
from typing import Final

from msgspec import Struct

from messaging.domain.channels.addresses.numbering import NumberFlaw, read_number

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SCHEME: Final = re.compile(r"tel:", re.IGNORECASE)
_ZERO_IN_BRACKETS: Final = re.compile(r"\( *0 *\)")
# Characters that people and word processors put between digits: spaces and hyphens of every width, dots, brackets.
_SEPARATORS: Final = str.maketrans(
    "",
    "",
    " -().\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
)
_DIALLED_ABROAD: Final = ("00", "011")
_LENGTH: Final = "A phone number has 7 to 15 digits, its country code included (+14155550100)."


class PhoneFlaw(Struct, frozen=True):
    """Why a text that is meant as a phone number is none, and how to mend it."""

    detail: str
    lacks_country_code: bool = False


def is_number(text: str) -> bool:
    """Whether the text is '+' and 7 to 15 digits, the first of which is not 0."""
    return _E164.fullmatch(text) is not None


def read_phone(text: str) -> str | PhoneFlaw | None:
    """The number in E.164 form; None for a text that is not meant as a phone number."""
    if _E164.fullmatch(text):
        return _possible(read_number(text))
    return None if "@" in text else _spelled_out(text)


def _spelled_out(text: str) -> str | PhoneFlaw | None:
    written = text.translate(_SEPARATORS)
    number = _SCHEME.sub("", written, count=1) if _SCHEME.match(written) else written
    if (strange := _strange_character(number)) is not None:
        return _invalid(f"It holds a character that no phone number has: {strange}. Remove it.")
    if number.isascii() and number.isdigit():
        return _without_country_code(number)
    if number[:1] != "+" or not number[1:].isdigit():
        return None
    if not _E164.fullmatch(number):
        return _invalid("No country code begins with 0." if number[1] == "0" else _LENGTH)
    return _possible(read_number(number, zero_in_brackets=_ZERO_IN_BRACKETS.search(text) is not None))


def _possible(read: str | NumberFlaw) -> str | PhoneFlaw:
    if isinstance(read, NumberFlaw):
        return _invalid(f"No such phone number can exist. {read.detail}")
    # Without a prefix that is dialled only inside the country it may be too short.
    return read if _E164.fullmatch(read) else _invalid(_LENGTH)


def _strange_character(text: str) -> str | None:
    """The first character that is outside printable ASCII, by its number and name: often it cannot be seen."""
    strange = next((char for char in text if not " " <= char <= "~"), None)
    return None if strange is None else f"U+{ord(strange):04X} {unicodedata.name(strange, 'a control character')}"


def _without_country_code(number: str) -> PhoneFlaw:
    prefix = next((prefix for prefix in _DIALLED_ABROAD if number.startswith(prefix)), None)
    if prefix is None:
        detail = "The number has no country code. Write it in E.164 form: '+', country code, number (+14155550100)."
    else:
        detail = (
            f"The number begins with {prefix}, which is dialled before a country code in some countries and means "
            "something else in others. Write '+' in its place, then the country code (+14155550100)."
        )
    return PhoneFlaw(detail, lacks_country_code=True)


def _invalid(detail: str) -> PhoneFlaw:
    return PhoneFlaw(detail)
