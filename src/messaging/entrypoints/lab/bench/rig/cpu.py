"""The processor time that given processes have used so far, from /proc, so on Linux only."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat after the command's closing parenthesis (man 5 proc), counted from 0.
_PARENT, _USER, _SYSTEM, _REAPED_USER, _REAPED_SYSTEM = 1, 11, 12, 13, 14


def seconds_by_process(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system time of each process with its children, also of those that have ended; 0 for one that is gone.

    PostgreSQL needs the children: a backend's time lives on in the postmaster after the backend is gone. A name up to
    its first hyphen is what counts, so that `worker` and `worker-2` are one entry.
    """
    children = _ticks_of_children()
    ticks: Counter[str] = Counter()
    for name, pid in pids.items():
        ticks[name.partition("-")[0]] += _family(pid, children)
    return {name: used / _TICKS_PER_SECOND for name, used in ticks.items()}


def difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """The seconds used between two readings; a process that came or went meanwhile is left out."""
    return {name: after[name] - before[name] for name in after if name in before}


def _family(root: int, children: Mapping[int, int]) -> int:
    fields = _stat(root)
    if fields is None:
        return 0
    return _own(fields) + fields[_REAPED_USER] + fields[_REAPED_SYSTEM] + children.get(root, 0)


def _ticks_of_children() -> Counter[int]:
    """The ticks of processor time that living processes have used, by parent."""
    ticks: Counter[int] = Counter()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (child := _stat(int(entry.name))) is not None:
            ticks[child[_PARENT]] += _own(child)
    return ticks


def _own(fields: list[int]) -> int:
    return fields[_USER] + fields[_SYSTEM]


def _stat(pid: int) -> list[int] | None:
    """The numeric fields of a process; None for one that has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *numbers = text.rpartition(")")[2].split()
    del state
    return [0, *(int(number) for number in numbers)]
