"""The account that PostgreSQL runs as when we are root, and the paths that this account can reach.

PostgreSQL refuses to run as root. We use an existing unprivileged account and never create one, and never widen
the permissions of a directory that is not ours.
"""

import os
import pwd
import stat
from pathlib import Path
from typing import Final

import msgspec

_CANDIDATES: Final = ("postgres", "nobody")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    uid: int
    gid: int


class NoUnprivilegedAccount(Exception):
    """This machine has none of the accounts that PostgreSQL could run as; run as an ordinary user instead."""

    def __init__(self) -> None:
        super().__init__(f"running as root, and none of these accounts exists to run PostgreSQL: {_CANDIDATES}")


def account_for_servers() -> Account | None:
    """The account that servers run as, or None when we are not root and stay who we are."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise NoUnprivilegedAccount


def can_reach(account: Account | None, path: Path) -> bool:
    """Whether `account` may enter every directory above `path` and read `path` itself (None: ourselves)."""
    resolved = path.resolve()
    if account is None:
        return os.access(resolved, os.R_OK)
    enterable = all(_allows(account, parent, stat.S_IXOTH) for parent in resolved.parents)
    return enterable and _allows(account, resolved, stat.S_IROTH)


def _allows(account: Account, path: Path, bit: int) -> bool:
    status = path.stat()
    if status.st_uid == account.uid:
        bit <<= 6
    elif status.st_gid == account.gid:
        bit <<= 3
    return bool(status.st_mode & bit)
