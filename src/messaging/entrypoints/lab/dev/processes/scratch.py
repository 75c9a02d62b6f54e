"""Temporary directories for sockets and throw-away data, which are removed even after their owner was killed.

Unix socket paths may have at most 107 bytes on Linux (103 on macOS), so these directories are short and sit right
under the system's temporary directory. Each is locked by its owner for as long as the owner lives; whoever makes
the next one removes those whose owner died without cleaning up.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import IO, Final

from messaging.entrypoints.lab.dev.processes.accounts import account_for_servers, can_reach

_PREFIX: Final = "messaging-tmp-"
_OWNER: Final = ".owner"
_LONGEST_ROOT: Final = 60
_UNDECIDED_SECONDS: Final = 60


class ScratchDirectory:
    """A directory that is removed with its contents by `remove`, or later if we were killed."""

    def __init__(self, purpose: str) -> None:
        """`purpose` is a short word that shows in the path."""
        root = temporary_root()
        _sweep(root)
        self.path, self._lock = _make(root, purpose)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def temporary_root() -> Path:
    """The system's temporary directory, or `/tmp` if that is too long for a socket or closed to our servers."""
    root = Path(tempfile.gettempdir())
    fits = len(os.fsencode(root)) <= _LONGEST_ROOT
    if fits and can_reach(account_for_servers(), root):
        return root
    return Path("/tmp")  # noqa: S108 - what goes there is made by mkdtemp or checked for its owner


def _make(root: Path, purpose: str) -> tuple[Path, IO[bytes]]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-", dir=root))
        if lock := hold(path):
            return path, lock
        # A sweep between making and locking removes the directory.


def _sweep(root: Path) -> None:
    for path in root.glob(f"{_PREFIX}*"):
        try:
            status = path.lstat()
            if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
                continue
            with (path / _OWNER).open("rb") as lock:
                if _try_lock(lock):
                    shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:
            # The directory has just been removed, or its owner is (or died) between making and locking it.
            if path.is_dir() and time.time() - status.st_mtime > _UNDECIDED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
        except PermissionError:
            continue


def hold(directory: Path) -> IO[bytes] | None:
    """Makes this process the only user of `directory`, until the handle is closed or we die; None if another is."""
    lock = (directory / _OWNER).open("ab")
    if _try_lock(lock):
        return lock
    lock.close()
    return None


def _try_lock(handle: IO[bytes]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
