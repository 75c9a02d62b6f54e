"""Room on this machine's disks, and the size of the database. The room on the database server's disk cannot be seen
from here.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from messaging.application.ports.survey import Survey
from messaging.entrypoints.composition.doctor.finding import Finding, failed, fine
from messaging.entrypoints.settings.settings import Settings

_LEAST_PART: Final = 0.1
_GIB: Final = 1 << 30


class ExamineDisk:
    def __init__(self, *, survey: Survey, settings: Settings) -> None:
        self._survey = survey
        self._directory = Path(settings.send_journal_directory or ".")

    async def __call__(self) -> Sequence[Finding]:
        size = await self._survey.database_bytes()
        return [judge(*_room(self._directory)), fine("database_size", f"{size / _GIB:.2f} GiB")]


def _room(directory: Path) -> tuple[int, int]:
    """Free and total bytes of the disk that the directory is on, or will be on."""
    there = next(path for path in (directory, *directory.resolve().parents) if path.exists())
    usage = shutil.disk_usage(there)
    return usage.free, usage.total


def judge(free: int, total: int) -> Finding:
    told = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    if free < total * _LEAST_PART:
        return failed("disk", told, mend="make room, or a bigger disk, before notes and logs cannot be written")
    return fine("disk", told)
