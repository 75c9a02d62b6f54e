"""Reads members of untrusted JSON one by one; a member of an unexpected type reads as absent."""

import hashlib
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

# The size in bytes up to which a provider's id is kept whole. Index entries take up to 2 700; Meta's ids have about 60.
LONGEST_ID = 512

# The range of plausible instants. A number outside of it is a counter, a placeholder, or in another unit.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
# Units of an epoch, in parts of a second: s, ms, us, ns. A number lies in the range above in at most one of them.
_UNITS = (1, 10**3, 10**6, 10**9)


def mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[Json]:
    return [item for item in items(value) if isinstance(item, dict)]


def items(value: Any) -> list[Any]:
    """The items of a list; an object in place of a list counts as a list of one."""
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) else []


def text(node: Json, member: str) -> str:
    """A string member without NUL, which PostgreSQL cannot store; empty when absent or of another type."""
    value = node.get(member)
    return value.replace("\x00", "") if isinstance(value, str) else ""


def identifier(node: Json, member: str) -> str:
    """An id, which Meta writes as a string in some places and as an integer in others; empty when absent."""
    value = node.get(member)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(node, member)


def bounded(id: str) -> str:
    """The id; one longer than `LONGEST_ID` bytes becomes its beginning and a hash, always the same for the same id."""
    whole = id.encode("utf-8", "replace")
    if len(whole) <= LONGEST_ID:
        return id
    return f"{id[:32]}…sha256:{hashlib.sha256(whole).hexdigest()}"


def instant(node: Json, member: str = "timestamp") -> datetime | None:
    """An epoch in seconds, also with a fraction or in a finer unit, or RFC 3339; None for anything else."""
    value = node.get(member)
    number = _number(value)
    if number is not None:
        return next((at for unit in _UNITS if (at := _since_epoch(number, unit)) is not None), None)
    return _in_words(value) if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _finite(value)
    if isinstance(value, str) and value.isascii() and value.replace(".", "", 1).isdigit() and len(value) <= 30:
        return _finite(value)
    return None


def _finite(value: str | float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number < float("inf") else None


def _since_epoch(number: float, unit: int) -> datetime | None:
    seconds = number / unit
    if not _EARLIEST.timestamp() <= seconds < _LATEST.timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _in_words(value: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    # A time without a zone, or a date alone, does not name an instant.
    if at.tzinfo is None or at.utcoffset() is None:
        return None
    try:
        at = at.astimezone(UTC)
    except OverflowError:
        return None
    return at if _EARLIEST <= at < _LATEST else None
