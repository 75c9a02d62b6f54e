"""Stores small, rarely changing state (accounts, templates, settings) so that it outlives the process."""

import os
from pathlib import Path

import msgspec

from messaging.entrypoints.sandbox.core.storage.append_log import AppendLog


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The newest value of one key; a null value removes it."""

    kind: str
    key: str
    value: msgspec.Raw


class Journal:
    """A key-value store in one file: the last line of a key wins, and opening it drops the lines that lost."""

    def __init__(self, path: Path) -> None:
        self._latest = _read(path)
        _rewrite(path, self._latest)
        self._log = AppendLog(path, fsync=False)

    def values(self, kind: str) -> list[msgspec.Raw]:
        """Stored values of a kind, in the order their keys were first written."""
        return [change.value for (k, _), change in self._latest.items() if k == kind]

    def put(self, kind: str, key: str, value: object) -> None:
        """Store a value, or remove the key with None; written through before this returns."""
        change = Change(kind=kind, key=key, value=msgspec.Raw(msgspec.json.encode(value)))
        self._log.append_now(msgspec.json.encode(change))
        if value is None:
            self._latest.pop((kind, key), None)
        else:
            self._latest[kind, key] = change

    async def close(self) -> None:
        """Let go of the file."""
        await self._log.close()


def _read(path: Path) -> dict[tuple[str, str], Change]:
    latest: dict[tuple[str, str], Change] = {}
    if not path.exists():
        return latest
    for line in path.read_bytes().split(b"\n")[:-1]:  # what follows the last newline is a torn write
        change = msgspec.json.decode(line, type=Change)
        if bytes(change.value) == b"null":
            latest.pop((change.kind, change.key), None)
        else:
            latest[change.kind, change.key] = change
    return latest


def _rewrite(path: Path, latest: dict[tuple[str, str], Change]) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        for change in latest.values():
            file.write(msgspec.json.encode(change) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
