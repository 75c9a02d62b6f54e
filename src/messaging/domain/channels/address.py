"""Addresses a message can be sent to: phone numbers, and people known only by a provider's business-scoped id."""

import re
import unicodedata
from enum import StrEnum

from msgspec import Struct

from messaging.domain.channels.numbering import NumberFlaw, read_number
from messaging.domain.shared.errors import Violation

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# Meta, "Business-scoped user IDs" (2026-05): country code, a dot, optionally `ENT.`, up to 128 alphanumerics.
_BSUID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_SCHEME = re.compile(r"tel:", re.IGNORECASE)
_ZERO_IN_BRACKETS = re.compile(r"\( *0 *\)")
# Characters that people and word processors put between digits: spaces and hyphens of every width, dots, brackets.
_SEPARATORS = str.maketrans(
    "",
    "",
    " -().\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
)
_DIALLED_ABROAD = ("00", "011")


class Channel(StrEnum):
    WHATSAPP = "whatsapp"
    SMS = "sms"
    EMAIL = "email"


class Phone(Struct, frozen=True, tag="phone"):
    """An E.164 number, `+` included."""

    value: str


class ScopedUser(Struct, frozen=True, tag="scoped_user"):
    """A WhatsApp user without a known phone number (a BSUID); meaningful only within one business portfolio."""

    value: str


Recipient = Phone | ScopedUser


def parse_recipient(text: str) -> Recipient | Violation:
    """Read `to`. Common spellings are accepted; a missing country code is not, because a guess would send to a
    stranger.
    """
    if _E164.fullmatch(text):
        return _phone(read_number(text))
    if _BSUID.fullmatch(text):
        return ScopedUser(text)
    return _spelled_out(text)


def parse_provider_phone(text: str) -> Phone | None:
    """A number as a provider writes it, with or without '+'; it is not checked against numbering plans."""
    number = text if text.startswith("+") else f"+{text}"
    return Phone(number) if _E164.fullmatch(number) else None


def _spelled_out(text: str) -> Phone | Violation:
    written = text.translate(_SEPARATORS)
    number = _SCHEME.sub("", written, count=1) if _SCHEME.match(written) else written
    if (strange := _strange_character(number)) is not None:
        return _invalid(f"It holds a character that no phone number has: {strange}. Remove it.")
    if number.isascii() and number.isdigit():
        return _without_country_code(number)
    if number[:1] != "+" or not number[1:].isdigit():
        return _invalid(_NEITHER)
    if not _E164.fullmatch(number):
        return _invalid("No country code begins with 0." if number[1] == "0" else _LENGTH)
    return _phone(read_number(number, zero_in_brackets=_ZERO_IN_BRACKETS.search(text) is not None))


def _phone(read: str | NumberFlaw) -> Phone | Violation:
    return _invalid(f"No such phone number can exist. {read.detail}") if isinstance(read, NumberFlaw) else Phone(read)


def _strange_character(text: str) -> str | None:
    """The first character that is outside printable ASCII, by its number and name: often it cannot be seen."""
    strange = next((char for char in text if not " " <= char <= "~"), None)
    return None if strange is None else f"U+{ord(strange):04X} {unicodedata.name(strange, 'a control character')}"


def _without_country_code(number: str) -> Violation:
    prefix = next((prefix for prefix in _DIALLED_ABROAD if number.startswith(prefix)), None)
    if prefix is None:
        detail = "The number has no country code. Write it in E.164 form: '+', country code, number (+14155550100)."
    else:
        detail = (
            f"The number begins with {prefix}, which is dialled before a country code in some countries and means "
            "something else in others. Write '+' in its place, then the country code (+14155550100)."
        )
    return Violation(pointer="/to", code="country_code_missing", detail=detail)


_NEITHER = "Not a phone number in E.164 form (+14155550100) nor a business-scoped user id (US.1349…)."
_LENGTH = "A phone number has 7 to 15 digits, its country code included (+14155550100)."


def _invalid(detail: str) -> Violation:
    return Violation(pointer="/to", code="recipient_invalid", detail=detail)


def mask(recipient: Recipient) -> str:
    """Enough of the address for a person to recognise it, too little to write to it: `+14*****0100`."""
    text = recipient.value
    return text[:3] + "*" * max(len(text) - 7, 3) + text[-4:]
