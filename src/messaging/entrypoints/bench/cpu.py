"""How much processor time have given processes used so far? From /proc, so Linux only."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat after the command's closing parenthesis (man 5 proc), counted from 0.
_PARENT, _USER, _SYSTEM, _REAPED_USER, _REAPED_SYSTEM = 1, 11, 12, 13, 14


def seconds_used(pids: Iterable[int], *, with_children_of: int | None = None) -> float:
    """User and system time of `pids`, plus one process with all its children, also those that have ended.

    PostgreSQL is counted the second way: a backend's time lives on in the postmaster after the backend is gone.
    """
    ticks = sum(_own(fields) for pid in pids if (fields := _stat(pid)) is not None)
    if with_children_of is not None:
        ticks += _family(with_children_of)
    return ticks / _TICKS_PER_SECOND


def _family(root: int) -> int:
    fields = _stat(root)
    if fields is None:
        return 0
    ticks = _own(fields) + fields[_REAPED_USER] + fields[_REAPED_SYSTEM]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (child := _stat(int(entry.name))) is not None and child[_PARENT] == root:
            ticks += _own(child)
    return ticks


def _own(fields: list[int]) -> int:
    return fields[_USER] + fields[_SYSTEM]


def _stat(pid: int) -> list[int] | None:
    """The numeric fields; None for a process that has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *numbers = text.rpartition(")")[2].split()
    del state
    return [0, *(int(number) for number in numbers)]
