"""Reads an e-mail address with the name of whoever has it: `Orders <orders@example.com>`, or the address alone."""

import re
from typing import Final

from msgspec import Struct

from messaging.domain.channels.addresses.email_address import EmailFlaw, read_email
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import is_blank, is_clean_line, utf16_units

MAX_NAME: Final = 100
_NAMED: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>\s*")


class Mailbox(Struct, frozen=True, kw_only=True):
    """`name` is what mail programs show, without quotes; None where there is none. `address` is canonical."""

    address: str
    name: str | None = None

    def written(self) -> str:
        """The canonical text, which `read_mailbox` reads as the same mailbox. It is not encoded for a mail's header."""
        return self.address if self.name is None else f"{self.name} <{self.address}>"


def read_mailbox(text: str) -> Mailbox | Violation:
    """The mailbox, or why the text is none, with an empty pointer. A name never holds what could begin a header."""
    if not is_clean_line(text):
        detail = "It holds a line break or control character, which could begin another header. Write it on one line."
        return Violation(pointer="", code="header_injection", detail=detail)
    named = _NAMED.fullmatch(text)
    name = None if named is None else named["name"].strip().removeprefix('"').removesuffix('"').strip()
    address = read_email(text if named is None else named["address"])
    if isinstance(address, str) and _is_name(name):
        return Mailbox(address=address, name=name or None)
    if isinstance(address, EmailFlaw):
        return _invalid(address.detail)
    if address is None:
        return _invalid("Not an e-mail address. Write orders@example.com, or Orders <orders@example.com>.")
    return _invalid(f"The name has up to {MAX_NAME} characters and no quotes, angle brackets or @. Change it.")


def _is_name(name: str | None) -> bool:
    if not name:
        return True
    return not (is_blank(name) or '"' in name or "@" in name or "\\" in name) and utf16_units(name) <= MAX_NAME


def _invalid(detail: str) -> Violation:
    return Violation(pointer="", code="mailbox_invalid", detail=detail)
