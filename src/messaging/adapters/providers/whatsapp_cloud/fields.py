"""How do we read members of JSON whose shape nobody promised?"""

from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

# Seconds up to the year 2200: a larger number is no epoch in seconds.
_LATEST = 7_258_118_400


def mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text(node: Json, member: str) -> str:
    """A string member without NUL, which PostgreSQL cannot store; empty when absent or of another type."""
    value = node.get(member)
    return value.replace("\x00", "") if isinstance(value, str) else ""


def identifier(node: Json, member: str) -> str:
    """An id, which Meta writes as a string in some places and as an integer in others; empty when absent."""
    value = node.get(member)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(node, member)


def instant(node: Json, member: str = "timestamp") -> datetime | None:
    """Epoch seconds, as a string or a number."""
    value = identifier(node, member)
    if not (value.isascii() and value.isdigit() and len(value) <= 10) or int(value) > _LATEST:
        return None
    return datetime.fromtimestamp(int(value), UTC)
