"""Reads members of untrusted JSON and form fields one by one; a member of an unexpected type reads as absent."""

import hashlib
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

Json = dict[str, Any]

_REASON_LENGTH = 300
# Twilio's explanations quote phone numbers, which must not be kept.
_LOOKS_LIKE_A_NUMBER = re.compile(r"\+?[0-9][0-9 ()-]{6,}[0-9]")
# The size in bytes up to which a provider's id is kept whole. Index entries take up to 2 700; Twilio's ids have 34.
_LONGEST_ID = 512


def mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(node: Json, member: str) -> str:
    """A string member without NUL, which PostgreSQL cannot store; empty when absent or of another type."""
    value = node.get(member)
    return value.replace("\x00", "") if isinstance(value, str) else ""


def whole(value: Any) -> int | None:
    """A whole number, which Twilio writes as a number in some places and as a string in others."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9 else None


def explained(said: Any) -> str:
    """An explanation of Twilio's in one line of bounded length, without phone numbers; empty if it is no text."""
    words = " ".join(said[:2000].replace("\x00", "").split()) if isinstance(said, str) else ""
    return _LOOKS_LIKE_A_NUMBER.sub("…", words)[:_REASON_LENGTH]


def bounded(id: str) -> str:
    """The id; one that is too long becomes its beginning and a hash, always the same for the same id."""
    known = id.encode("utf-8", "replace")
    return id if len(known) <= _LONGEST_ID else f"{id[:32]}…sha256:{hashlib.sha256(known).hexdigest()}"


def instant(node: Json, member: str) -> datetime | None:
    """A date in the form of e-mail, such as `Thu, 24 Aug 2023 05:01:45 +0000`; None for anything else."""
    try:
        at = parsedate_to_datetime(text(node, member))
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
