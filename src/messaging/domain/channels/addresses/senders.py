"""Kinds of addresses that messages leave from: phone numbers, short codes, names, and mailboxes."""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from messaging.domain.channels.addresses.mailbox import Mailbox, read_mailbox
from messaging.domain.channels.addresses.phone import PhoneFlaw, read_phone
from messaging.domain.shared.errors import Violation

_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9 ]{0,9}[A-Za-z0-9])?")
# The countries of +1 other than the United States with its territories, and Canada, by area code.
_ISLANDS: Final = (
    *("242", "246", "264", "268", "284", "345", "441", "473", "649", "658", "664", "721", "758", "767", "784", "809"),
    *("829", "849", "868", "869", "876"),
)
_OF_ISLANDS: Final = tuple(f"+1{code}" for code in _ISLANDS)


class Barred(Struct, frozen=True, kw_only=True):
    """Recipients that senders of a kind cannot reach. `words` name them."""

    words: str
    holds: Callable[[str], bool]


class SenderKind(Struct, frozen=True, kw_only=True):
    """A kind of sender's address. `words` name it to people, with an example.

    `read` is given any text and answers the canonical form, None for a text that is not meant as this kind, or a
    violation with a pointer to `/address`. `barred` are the recipients that it cannot reach; None: it reaches all.
    """

    words: str
    read: Callable[[str], str | Violation | None]
    barred: Barred | None = None


def _phone(text: str) -> str | Violation | None:
    read = read_phone(text)
    if not isinstance(read, PhoneFlaw):
        return read
    if read.lacks_country_code:
        return Violation(pointer="/address", code="country_code_missing", detail=read.detail)
    return Violation(pointer="/address", code="recipient_invalid", detail=read.detail)


def _short_code(text: str) -> str | None:
    return text if _SHORT_CODE.fullmatch(text) else None


def _name(text: str) -> str | None:
    return text if _NAME.fullmatch(text) else None


def _mailbox(text: str) -> str | Violation:
    read = read_mailbox(text)
    if isinstance(read, Mailbox):
        return read.written()
    return Violation(pointer="/address", code=read.code, detail=read.detail)


def _in_north_america(number: str) -> bool:
    return number.startswith("+1") and not number.startswith(_OF_ISLANDS)


PHONE: Final = SenderKind(words="a phone number in E.164 form (+14155550100)", read=_phone)
SHORT_CODE: Final = SenderKind(words="a short code of 3 to 8 digits (22395)", read=_short_code)
# Networks there take no names, whichever provider hands the message over.
NAME: Final = SenderKind(
    words="a name of 1 to 11 letters, digits and spaces with at least one letter (Northwind)",
    read=_name,
    barred=Barred(words="numbers of the United States and Canada (+1)", holds=_in_north_america),
)
MAILBOX: Final = SenderKind(
    words="an e-mail address, with or without a name (Orders <orders@example.com>)", read=_mailbox
)
