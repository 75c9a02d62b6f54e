"""The ledger of accepted sends, which survives kill -9: every delivery test is judged by it.

All look-alikes write into one file; each reads and writes its own entries through its `Section`.
"""

import asyncio
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from messaging.entrypoints.sandbox.core.storage.append_log import AppendLog


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted send: what the entries of all providers have. A provider's own type adds what its webhooks need."""

    n: int
    """Position in the ledger, from 0, without gaps."""
    message_id: str
    to: str
    """The recipient as the caller wrote it."""
    sender: str
    """The provider's id of the sender that the message left from."""
    reference: str | None
    """What the caller asked the provider to repeat in its webhooks."""
    received_at: float
    """Epoch seconds at which the request had been read completely."""
    body: msgspec.Raw
    """What was sent, as JSON."""
    provider: str


EntryT = TypeVar("EntryT", bound=Entry)


class _Whose(msgspec.Struct, frozen=True):
    # Empty in the lines of a time when there was one provider.
    provider: str = ""


_whose = msgspec.json.Decoder(_Whose).decode
_encode = msgspec.json.Encoder().encode


class MessageIds(Protocol):
    """The ids that a provider gives messages; ours have the ledger's position in them, so that no index is needed."""

    def mint(self, user: str, n: int) -> str: ...

    def position(self, message_id: str) -> int | None:
        """The position in an id of ours; None for any other text."""


class Ledger:
    """Accepted sends of all providers, and which of their webhooks are settled."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self.log = AppendLog(path, fsync=fsync)
        self._offsets = array("Q")
        offset = 0
        for line in self.log.lines():
            self._offsets.append(offset)
            offset += len(line) + 1
        self._settled = bytearray(len(self._offsets))
        """Per entry a bit for each settled step."""

    def __len__(self) -> int:
        return len(self._offsets)

    async def add(self, line: bytes) -> None:
        """Return once the line is durable."""
        offset, durable = self.log.append(line)
        self._offsets.append(offset)
        self._settled.append(0)
        await asyncio.shield(durable)

    def line(self, n: int) -> bytes | None:
        """The line at a position; None if there is none that is durable."""
        if n >= len(self._offsets) or self._offsets[n] >= self.log.durable_end:
            return None
        return self.log.line_at(self._offsets[n])

    def settle(self, n: int, step: int) -> None:
        """Remember that a step's webhook needs no more care."""
        self._settled[n] |= 1 << step

    def is_settled(self, n: int, step: int) -> bool:
        """Whether a step's webhook was taken, given up or dropped."""
        return bool(self._settled[n] >> step & 1)


class Section(Generic[EntryT]):
    """The entries of one provider, which has one or more `names` in the ledger."""

    def __init__(self, ledger: Ledger, kind: type[EntryT], *, names: tuple[str, ...], ids: MessageIds) -> None:
        self._ledger = ledger
        self._names = names
        self._ids = ids
        self._decode = msgspec.json.Decoder(kind).decode

    def reserve(self, user: str) -> tuple[int, str]:
        """The next position and the message id that belongs to it; valid until anything else is awaited."""
        n = len(self._ledger)
        return n, self._ids.mint(user, n)

    async def record(self, entry: EntryT) -> None:
        """Return once the entry is durable; `entry.n` is the position reserved last."""
        await self._ledger.add(_encode(entry))

    def find(self, message_id: str) -> EntryT | None:
        """The entry of a message id."""
        n = self._ids.position(message_id)
        line = None if n is None else self._ledger.line(n)
        if line is None or _whose(line).provider not in self._names:
            return None
        entry = self._decode(line)
        return entry if entry.message_id == message_id else None

    def entries(self) -> Iterator[EntryT]:
        """Every durable entry of the provider, oldest first."""
        return (self._decode(line) for line in self._ledger.log.lines() if _whose(line).provider in self._names)

    def settle(self, n: int, step: int) -> None:
        self._ledger.settle(n, step)

    def is_settled(self, n: int, step: int) -> bool:
        return self._ledger.is_settled(n, step)
