"""The journal of sends in flight: a memory-mapped file per worker, which other workers read after the worker has died.

What was stored before a SIGKILL is in the page cache, in the order in which it was stored. A crash of the machine can
lose the last stores, so a file of another boot may be older than what was sent, and is ignored. A worker holds a lock
on its file; the kernel releases the lock when the process ends, and only then, so an unlocked file is a dead worker's.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import msgspec

from messaging.application.ports.send_journal import CrashedSend, JournalEntry, NoSendJournal
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Failure
from messaging.domain.shared.ids import AccountId, MessageId, TenantId

# Names from before the format was called so; workers that crashed before an upgrade have left files under them.
_SUFFIX: Final = ".flights"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
# The header: the format's name and the machine's boot id, padded with zeros.
_FORMAT: Final = b"flights1 "
_HEADER: Final = 64
_SLOT: Final = 512
# What follows the one byte of the stage in a slot: epoch, tenant, message, account, and the length of the failure.
_FIELDS: Final = struct.Struct("<I16s16s16sH")
_HEAD: Final = 1 + _FIELDS.size
_FREE, _OPEN, _SENT, _FAILED = range(4)

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Failure).decode


def is_possible() -> bool:
    """Whether this machine has an id of its boot that can be read; Linux does."""
    return _BOOT.exists()


class FileSendJournal:
    """This process's file, with room for `slots` sends at once; further sends are not noted. `crashed` reads the files
    of dead processes in the directory; those of living processes are locked and are left out.

    The stage of a slot is a single byte and is written last, so that a slot never shows a stage before its data. The
    file stays when the process ends; an entry in it is then the only trace of a send that was cut off.
    """

    def __init__(self, directory: Path, *, slots: int = 2048) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        path = directory / f"{uuid4().hex}{_SUFFIX}"
        unnamed = directory / f".{path.name}"
        self._file = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        size = _HEADER + slots * _SLOT
        # The whole file is allocated now: if the disk were full later, a store to the map would end the process.
        os.posix_fallocate(self._file, 0, size)
        self._map = mmap.mmap(self._file, size)
        self._map[:_HEADER] = _header()
        # The file gets its final name only when it is complete and locked.
        unnamed.rename(path)
        self._free = [_HEADER + slot * _SLOT for slot in range(slots)]

    def open(self, key: MessageKey, epoch: int, account_id: AccountId) -> JournalEntry:
        if not self._free:
            return _UNNOTED.open(key, epoch, account_id)
        at = self._free.pop()
        ids = (key.tenant_id.bytes, key.message_id.bytes, account_id.bytes)
        _FIELDS.pack_into(self._map, at + 1, epoch, *ids, 0)
        self._map[at] = _OPEN
        return _Entry(self._map, at, self._free)

    def crashed(self) -> Iterator["_CrashedJournal"]:
        for path in self._directory.glob(f"[!.]*{_SUFFIX}"):
            if (file := _locked(path)) is not None:
                yield _CrashedJournal(path, file)


_UNNOTED: Final = NoSendJournal()


class _Entry:
    __slots__ = ("_at", "_free", "_map")

    def __init__(self, journal: mmap.mmap, at: int, free: list[int]) -> None:
        self._map = journal
        self._at = at
        self._free = free

    def sent(self) -> None:
        self._map[self._at] = _SENT

    def failed(self, failure: Failure) -> None:
        encoded = _encode(failure)
        begin = self._at + _HEAD
        if len(encoded) > _SLOT - _HEAD:
            return
        self._map[begin : begin + len(encoded)] = encoded
        self._map[begin - 2 : begin] = len(encoded).to_bytes(2, "little")
        self._map[self._at] = _FAILED

    def close(self) -> None:
        self._map[self._at] = _FREE
        self._free.append(self._at)


class _CrashedJournal:
    """The file of a dead process, locked by this one until the block ends; deleted then, unless the block failed."""

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file = file

    def __enter__(self) -> Sequence[CrashedSend]:
        return _read(self._path.read_bytes())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._path.unlink()
        finally:
            os.close(self._file)


def _locked(path: Path) -> int | None:
    """The file, open and locked; None if its process lives, or if another worker reads it or has just deleted it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    if os.fstat(file).st_nlink == 0:
        os.close(file)
        return None
    return file


def _header() -> bytes:
    return (_FORMAT + _BOOT.read_bytes().strip()).ljust(_HEADER, b"\0")


def _read(content: bytes) -> list[CrashedSend]:
    if content[:_HEADER] != _header():
        return []
    slots = range(_HEADER, len(content), _SLOT)
    return [_crashed_send(content, at) for at in slots if content[at] != _FREE]


def _crashed_send(content: bytes, at: int) -> CrashedSend:
    epoch, tenant, message, account, length = _FIELDS.unpack_from(content, at + 1)
    return CrashedSend(
        key=MessageKey(TenantId(UUID(bytes=tenant)), MessageId(UUID(bytes=message))),
        epoch=epoch,
        account_id=AccountId(UUID(bytes=account)),
        sent=content[at] != _OPEN,
        failure=_decode(content[at + _HEAD : at + _HEAD + length]) if content[at] == _FAILED else None,
    )
