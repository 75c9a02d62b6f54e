"""The vendor's payloads as files: shapes as documented, every id and number made up."""

from pathlib import Path
from typing import Any

import msgspec

_FOLDER = Path(__file__).parent / "recorded"


def recorded(name: str) -> bytes:
    return (_FOLDER / f"{name}.json").read_bytes()


def parsed(name: str) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(recorded(name))
    return document
