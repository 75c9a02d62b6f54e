"""The file in which a running `app dev` leaves its addresses and keys for other commands of this machine."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

_FILE: Final = "messaging/dev.json"


class Profile(Struct, frozen=True, kw_only=True):
    """`settings` are `APP_…` names for our commands, `exports` the shorter names that documents use."""

    pid: int
    settings: dict[str, str]
    exports: dict[str, str]


def profile_path() -> Path:
    """The file's path: in this person's configuration directory, as the XDG base directory specification has it."""
    configured = os.environ.get("XDG_CONFIG_HOME")
    directory = Path(configured) if configured else Path.home() / ".config"
    return directory / _FILE


def write_profile(profile: Profile) -> None:
    """Writes the file whole or not at all, readable by its owner only; the last `app dev` started is the one that
    counts.
    """
    path = profile_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(f".{profile.pid}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(msgspec.json.format(msgspec.json.encode(profile)))
    partial.replace(path)


def find_profile() -> Profile | None:
    """The profile, if its `app dev` is still running."""
    try:
        profile = msgspec.json.decode(profile_path().read_bytes(), type=Profile)
    except (OSError, msgspec.MsgspecError, RuntimeError):  # RuntimeError: there is no home directory
        return None
    return profile if _runs(profile.pid) else None


def remove_profile(pid: int) -> None:
    """Removes the file, unless another `app dev` has written its own meanwhile."""
    found = find_profile()
    if found is not None and found.pid == pid:
        with suppress(FileNotFoundError):
            profile_path().unlink()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
