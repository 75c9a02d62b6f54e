"""Writes the header lines of an e-mail (RFC 5322), each of which ends where we end it.

A value of one short line of plain ASCII is written as it is. Every other value goes through the standard library's
e-mail policy, which encodes, folds, and refuses line breaks, and takes many times as long.
"""

import re
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.policy import SMTP, SMTPUTF8
from functools import lru_cache
from typing import Final

PLAIN: Final = SMTP.clone(cte_type="7bit")
INTERNATIONAL: Final = SMTPUTF8.clone(cte_type="8bit")
_NAME: Final = re.compile(r"[!-9;-~]{1,76}")
CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PLAIN_TEXT: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
_ADDRESS: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9.-]+"
_PLAIN_ADDRESS: Final = re.compile(rf"{_ADDRESS}|[A-Za-z0-9]+( [A-Za-z0-9]+)* <{_ADDRESS}>")
# The most that a line should have, without its end.
_LINE: Final = 78
# Headers that the platform or the servers on the way write.
_OURS: Final = frozenset(
    {
        *("from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "reply-to", "return-path", "received"),
        *("mime-version", "delivered-to", "dkim-signature", "authentication-results", "x-original-to"),
    }
)


class HeaderRefused(Exception):
    """A header cannot be sent; the text says which, and never quotes its value."""


def text_line(name: str, value: str, *, international: bool = False) -> str:
    """A header whose value is text for people, or is not looked into."""
    # What begins like an encoded word would be decoded by whoever reads it.
    if len(name) + len(value) + 2 <= _LINE and _PLAIN_TEXT.fullmatch(value) and "=?" not in value:
        return f"{name}: {value}\r\n"
    return _by_the_library(name, value, international)


def addresses_line(name: str, value: str, *, international: bool = False) -> str:
    """A header whose value is an address, which may have a name before it."""
    if len(name) + len(value) + 2 <= _LINE and _PLAIN_ADDRESS.fullmatch(value):
        return f"{name}: {value}\r\n"
    return _by_the_library(name, value, international)


@lru_cache(maxsize=1024)
def from_line(name: str, address: str, *, international: bool = False) -> str:
    """The sender, with its name if it has one. Cached, since all of a sender's mails have the same."""
    if not name:
        return addresses_line("From", address, international=international)
    if CONTROL.search(name) is not None:
        raise HeaderRefused("The sender's name has a line break or another control character.")
    try:
        return _by_the_library("From", Address(name, addr_spec=address), international)
    except (ValueError, IndexError, HeaderParseError) as error:
        raise HeaderRefused("The sender's name or address cannot be written as a header.") from error


def further_line(name: str, value: str, *, international: bool = False) -> str:
    """A header that the caller has chosen; none of ours."""
    if _NAME.fullmatch(name) is None:
        raise HeaderRefused("A header's name has characters that no header has.")
    if name.lower() in _OURS or name.lower().startswith("content-"):
        raise HeaderRefused(f"The header {name} is written by the platform.")
    return text_line(name, value, international=international)


def _by_the_library(name: str, value: str | Address, international: bool) -> str:
    if CONTROL.search(str(value)) is not None:
        raise HeaderRefused(f"The value of {name} has a line break or another control character.")
    policy = INTERNATIONAL if international else PLAIN
    try:
        return str(policy.fold(*policy.header_store_parse(name, value)))
    except (ValueError, TypeError, IndexError, HeaderParseError) as error:
        raise HeaderRefused(f"The value of {name} cannot be written as a header.") from error
