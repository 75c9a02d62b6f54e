"""Reads e-mail addresses: plain ones here, international and quoted ones through the library `email-validator`.

The domain is compared and written in lower-case ASCII (IDNA), because DNS knows no other. The local part is sent as it
was written, because only its own server may say which spellings mean one mailbox. Two addresses are taken for the same
person's if they differ only in the case of letters: no server of note keeps `Ana@` and `ana@` apart, and of two such
records of consent the stricter one must be found. Nothing is guessed about dots and `+` suffixes, which some servers
ignore and others do not.

No name is looked up: a domain that has no mail server is the provider's to report.
"""

import re
from typing import Final

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from msgspec import Struct

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The domain must have a dot: a single name cannot be reached from outside.
_PLAIN: Final = re.compile(rf"(?=.{{1,64}}@)(?=.{{3,254}}$){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!\d+$){_LABEL}")
_ENCODED: Final = "xn--"
# Top-level names that standards keep out of mail; `.test` is allowed, because sandboxes are addressed so.
_NEVER_MAIL: Final = tuple(f".{name}" for name in SPECIAL_USE_DOMAIN_NAMES if name != "test")

_FLAWS: Final = {
    "several": "It holds several addresses. Send one message to each.",
    "named": "It holds a display name. Leave out the name and the angle brackets (ana@example.com).",
    "domain": "What stands after the @ is no domain that takes mail. Correct it (ana@example.com).",
    "local": "What stands before the @ is no mailbox: it has up to 64 characters, no spaces or brackets, and no dot at "
    'either end. Correct it, or put it in quotes where the mailbox is really called so ("ana b"@example.com).',
}


class EmailFlaw(Struct, frozen=True):
    """Why a text that is meant as an e-mail address is none, and how to mend it."""

    detail: str


def read_email(text: str) -> str | EmailFlaw | None:
    """The address in its canonical form; None for a text without an @, which is not meant as one."""
    if "@" not in text:
        return None
    written = text.strip(" ")
    if _PLAIN.fullmatch(written):
        local, _, domain = written.partition("@")
        name = domain.lower()
        if _ENCODED not in name and not name.endswith(_NEVER_MAIL):
            return f"{local}@{name}"
    return _looked_at_closely(written)


def email_identity(address: str) -> str:
    """What all spellings of one person's canonical address share; for finding and comparing only."""
    return address.lower()


def _looked_at_closely(text: str) -> str | EmailFlaw:
    """The library's reading. Takes about 0.1 ms."""
    read = _validated(text)
    if read is None or read.rpartition("@")[2].rpartition(".")[2].isdigit() or "." not in read.rpartition("@")[2]:
        return EmailFlaw(f"Not an e-mail address. {_FLAWS[_flaw(text)]}")
    return read


def _validated(text: str) -> str | None:
    try:
        found = validate_email(
            text,
            check_deliverability=False,
            allow_quoted_local=True,
            test_environment=True,
            strict=True,
        )
    except EmailNotValidError:
        return None
    return f"{found.local_part}@{found.ascii_domain}"


def _flaw(text: str) -> str:
    if text.endswith(">"):
        return "named"
    local, _, domain = text.rpartition("@")
    if "@" in local and not local.startswith('"'):
        return "several"
    return "domain" if _validated(f"a@{domain}") is None else "local"
