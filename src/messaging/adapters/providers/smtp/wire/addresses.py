"""E-mail addresses as they are written into commands: without anything that would end or extend the command."""

import re
from typing import Final

import idna

# A local part of atoms and dots, or a quoted one; letters beyond ASCII need SMTPUTF8.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL: Final = re.compile(rf'{_ATOM}(\.{_ATOM})*|"([^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"')
_DOMAIN: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f.:A-Za-z]+\]")
_LONGEST: Final = 254


def for_envelope(address: str) -> str | None:
    """The address as MAIL and RCPT take it, its domain in ASCII; None if it cannot be written into a command."""
    local, at, domain = address.rpartition("@")
    if not at or len(address.encode()) > _LONGEST or _LOCAL.fullmatch(local) is None:
        return None
    plain = domain if domain.isascii() else _in_ascii(domain)
    return f"{local}@{plain}" if plain is not None and _DOMAIN.fullmatch(plain) else None


def domain_of(address: str) -> str:
    """The domain of an address, in ASCII if it can be; the whole text if it has none."""
    domain = address.rpartition("@")[2]
    return domain if domain.isascii() else _in_ascii(domain) or domain


def _in_ascii(domain: str) -> str | None:
    try:
        return idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return None
