"""Events that no send caused, such as what users write: stored until their webhooks are taken, however often we die."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec

from messaging.entrypoints.sandbox.core.storage.append_log import AppendLog


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of all providers have."""

    at: float
    """Epoch seconds."""
    provider: str


class _Whose(msgspec.Struct, frozen=True):
    # Empty in the lines of a time when there was one provider.
    provider: str = ""


_whose = msgspec.json.Decoder(_Whose).decode


class EventLog:
    """The events of all providers in one file, and which of their webhooks are settled."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self._log = AppendLog(path, fsync=fsync)
        self._count = sum(1 for _ in self._log.lines())
        self._settled: set[int] = set()

    async def add(self, event: Event) -> int:
        """The position of the event in the log, once it is durable."""
        n = self._count
        self._count += 1
        _, durable = self._log.append(msgspec.json.encode(event))
        await asyncio.shield(durable)
        return n

    def settle(self, n: int) -> None:
        """Remember that an event's webhook needs no more care."""
        self._settled.add(n)

    def is_settled(self, n: int) -> bool:
        return n in self._settled

    def lines(self, names: tuple[str, ...]) -> Iterator[tuple[int, bytes]]:
        """The events of the provider with these names, oldest first, each with its position."""
        return ((n, line) for n, line in enumerate(self._log.lines()) if _whose(line).provider in names)

    async def close(self) -> None:
        """Let go of the file."""
        await self._log.close()
