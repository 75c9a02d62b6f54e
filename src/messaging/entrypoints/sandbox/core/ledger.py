"""The ledger of accepted sends, which survives kill -9: every delivery test is judged by it."""

import asyncio
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from messaging.entrypoints.sandbox.core.append_log import AppendLog


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted send."""

    n: int
    """Position in the ledger, from 0, without gaps."""
    message_id: str
    to: str
    """`to` (or `recipient`) as the caller wrote it."""
    sender: str
    """Phone-number id the message left from."""
    reference: str | None
    """`biz_opaque_callback_data`."""
    received_at: float
    """Epoch seconds at which the request had been read completely."""
    waba_id: str
    wa_id: str | None
    """Digits; None when the user is known by its business-scoped id alone."""
    user_id: str
    category: str
    """Pricing category: service for free-form content, else the template's."""
    in_window: bool
    """Whether the user's 24-hour window was open, which makes utility and service messages free."""
    body: msgspec.Raw
    """The request body."""

    @property
    def recipient(self) -> str:
        """The id that decides about the message's fate."""
        return self.wa_id or self.user_id


_decode = msgspec.json.Decoder(Entry).decode
_encode = msgspec.json.Encoder().encode


class MessageIds(Protocol):
    """The ids that a provider gives messages; ours have the ledger's position in them, so that no index is needed."""

    def mint(self, user: str, n: int) -> str: ...

    def position(self, message_id: str) -> int | None:
        """The position in an id of ours; None for any other text."""


class Ledger:
    """Accepted sends, and which of their webhooks are settled."""

    def __init__(self, path: Path, *, fsync: bool, ids: MessageIds) -> None:
        self._ids = ids
        self.log = AppendLog(path, fsync=fsync)
        self._offsets = array("Q")
        offset = 0
        for line in self.log.lines():
            self._offsets.append(offset)
            offset += len(line) + 1
        self._next = len(self._offsets)
        self.settled = bytearray(self._next)
        """Per entry a bit for each settled step."""

    def __len__(self) -> int:
        return len(self._offsets)

    def reserve(self, user: str) -> tuple[int, str]:
        """The next position and the message id that belongs to it."""
        n = self._next
        return n, self._ids.mint(user, n)

    async def record(self, entry: Entry) -> None:
        """Return once the entry is durable; `entry.n` is the position reserved last."""
        offset, durable = self.log.append(_encode(entry))
        self._next += 1
        self._offsets.append(offset)
        self.settled.append(0)
        await asyncio.shield(durable)

    def find(self, message_id: str) -> Entry | None:
        """The entry of a message id."""
        n = self._ids.position(message_id)
        if n is None or n >= len(self._offsets) or self._offsets[n] >= self.log.durable_end:
            return None
        entry = _decode(self.log.line_at(self._offsets[n]))
        return entry if entry.message_id == message_id else None

    def settle(self, n: int, step: int) -> None:
        """Remember that a step's webhook needs no more care."""
        self.settled[n] |= 1 << step

    def is_settled(self, n: int, step: int) -> bool:
        """Whether a step's webhook was taken, given up or dropped."""
        return bool(self.settled[n] >> step & 1)

    def entries(self) -> Iterator[Entry]:
        """Every durable entry, oldest first."""
        return map(_decode, self.log.lines())
