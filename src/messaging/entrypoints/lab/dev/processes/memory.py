"""The memory that given processes hold, from /proc, so on Linux only."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MIB: Final = 2**20


def resident_mib(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident memory of each process (MiB), shared pages included; a process that is gone is left out."""
    found = {name: _resident(pid) for name, pid in pids.items()}
    return {name: round(size / _MIB, 1) for name, size in found.items() if size is not None}


def _resident(pid: int) -> int | None:
    try:
        _, resident, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(resident) * _PAGE
