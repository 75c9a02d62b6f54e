"""E-mail addresses that can be written to: RFC 5321's plain form, in ASCII, under a name with a dot."""

import re
from typing import Final

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The domain must have a dot: a single name cannot be reached from outside. International names are written xn--….
_ADDRESS: Final = re.compile(rf"(?=.{{1,64}}@)(?=.{{3,254}}$){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!\d+$){_LABEL}")


def is_email_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None
