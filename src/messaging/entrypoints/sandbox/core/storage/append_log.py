"""A file of JSON lines, each durable before anyone is told about it, and read back at the start."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


class LogBroken(Exception):
    """An earlier write failed, so the end of the file is unknown; only a restart can read it."""


class Page:
    """Lines as read, without their newlines, and the offset at which reading goes on."""

    def __init__(self, lines: list[bytes], end: int) -> None:
        self.lines = lines
        self.end = end


class AppendLog:
    """An append-only file of JSON lines with group commit.

    Lines reach the kernel in the order of `append` and are synced together, so one `fdatasync` pays for all
    senders that arrived meanwhile. A torn last line, which nobody was ever told about, is cut off on opening.
    Without `fsync` a line is safe once the kernel has it, which is at once: from our death, not from the machine's.
    """

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self._path = path
        self._fsync = fsync
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self.durable_end = _cut_torn_tail(self._fd)
        self._queued_end = self.durable_end
        self._waiting: list[bytes] = []
        self._group: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._broken: OSError | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"log-{path.stem}")

    def append(self, line: bytes) -> tuple[int, "asyncio.Future[None]"]:
        """Queue one line; returns its offset and a future that resolves once the line is durable.

        The future is shared by everybody in the group: await it through `asyncio.shield`.
        """
        offset = self._queued_end
        if not self._fsync:
            self.append_now(line)
            return offset, self._resolved()
        self._refuse_if_broken()
        self._queued_end += len(line) + 1
        self._waiting.append(line)
        if self._group is None:
            self._group = asyncio.get_running_loop().create_future()
        group = self._group
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_groups())
        return offset, group

    def append_now(self, line: bytes) -> None:
        """Write one line through at once: it survives our death, not the machine's.

        A log with `fsync` takes its lines either through `append` or through here, never both.
        """
        self._refuse_if_broken()
        try:
            _write_all(self._fd, line + b"\n")
        except OSError as error:
            self._broken = error
            raise LogBroken(str(self._path)) from error
        self._queued_end += len(line) + 1
        self.durable_end = self._queued_end

    def page(self, after: int, limit: int | None) -> Page:
        """Durable lines from offset `after`; raises `ValueError` when no line starts there."""
        if not 0 <= after <= self.durable_end or (after and os.pread(self._fd, 1, after - 1) != b"\n"):
            raise ValueError(f"no line starts at {after}")
        lines: list[bytes] = []
        end = after
        for line in self._lines(after):
            if limit is not None and len(lines) >= limit:
                break
            lines.append(line)
            end += len(line) + 1
        return Page(lines, end)

    def lines(self) -> Iterator[bytes]:
        """Every durable line from the beginning."""
        return self._lines(0)

    def line_at(self, offset: int) -> bytes:
        """The line that starts at `offset`."""
        return next(self._lines(offset))

    async def close(self) -> None:
        """Write what is queued, then let go of the file."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown()
        os.close(self._fd)

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise LogBroken(str(self._path)) from self._broken

    def _resolved(self) -> "asyncio.Future[None]":
        if self._group is None:
            self._group = asyncio.get_running_loop().create_future()
            self._group.set_result(None)
        return self._group

    def _lines(self, after: int) -> Iterator[bytes]:
        end = self.durable_end
        with self._path.open("rb") as file:
            file.seek(after)
            position = after
            while position < end:
                line = file.readline()
                position += len(line)
                yield line[:-1]

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while (group := self._group) is not None:
            data = b"\n".join(self._waiting) + b"\n"
            self._waiting.clear()
            self._group = None
            try:
                await loop.run_in_executor(self._thread, self._write, data)
            except OSError as error:
                self._broken = error
                group.set_exception(LogBroken(str(self._path)))
                self._fail_waiting()
            else:
                self.durable_end += len(data)
                group.set_result(None)

    def _fail_waiting(self) -> None:
        self._waiting.clear()
        if self._group is not None:
            self._group.set_exception(LogBroken(str(self._path)))
            self._group = None

    def _write(self, data: bytes) -> None:
        _write_all(self._fd, data)
        if self._fsync:
            os.fdatasync(self._fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _cut_torn_tail(fd: int) -> int:
    """Shorten the file to its last complete line and return that length."""
    end = os.lseek(fd, 0, os.SEEK_END)
    keep = end
    while keep:
        start = max(0, keep - 65_536)
        newline = os.pread(fd, keep - start, start).rfind(b"\n")
        if newline >= 0:
            keep = start + newline + 1
            break
        keep = start
    if keep != end:
        os.ftruncate(fd, keep)
    return keep
