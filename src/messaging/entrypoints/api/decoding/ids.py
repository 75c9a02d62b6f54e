"""Parses ids in paths and bodies; a malformed id counts as one that names nothing."""

from typing import Final
from uuid import UUID

from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.domain.shared.refusals import not_found

# Stands for an id that cannot be parsed: it names nothing, so that the request is refused together with whatever else
# is wrong.
NOBODY = UUID(int=0)


_LONGEST_NUMBER: Final = 9


def number_in_path(text: str) -> int:
    """The number in a path, from 1. Anything else is answered like one of nothing. Raises DomainError `not_found`."""
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER or text.startswith("0"):
        raise not_found()
    return int(text)


def in_path(prefix: Prefix, text: str) -> UUID:
    """The id in a path. A malformed one is answered exactly like an unknown one. Raises DomainError `not_found`."""
    found = parse_typeid(prefix, text)
    if found is None:
        raise not_found()
    return found
