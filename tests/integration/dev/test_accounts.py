"""Which paths count as reachable for the account a server runs as?"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.entrypoints.lab.dev.processes.accounts import Account, can_reach

STRANGER = Account(name="stranger", uid=os.getuid() + 54_321, gid=os.getgid() + 54_321)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that everybody may enter, as may all its parents."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path


@pytest.mark.parametrize(("mode", "reachable"), [(0o755, True), (0o711, True), (0o750, False), (0o700, False)])
def test_a_stranger_reaches_a_file_only_through_directories_that_admit_everybody(
    open_directory: Path, mode: int, reachable: bool
) -> None:
    directory = open_directory / "checkout"
    directory.mkdir()
    (directory / "postgres").write_text("")
    directory.chmod(mode)

    assert can_reach(STRANGER, directory / "postgres") is reachable


def test_a_stranger_does_not_reach_a_file_that_only_its_owner_may_read(open_directory: Path) -> None:
    private = open_directory / "private"
    private.write_text("")
    private.chmod(0o600)

    assert not can_reach(STRANGER, private)


def test_the_owner_of_a_private_directory_reaches_into_it(open_directory: Path) -> None:
    directory = open_directory / "mine"
    directory.mkdir(mode=0o700)
    status = directory.stat()

    assert can_reach(Account(name="owner", uid=status.st_uid, gid=status.st_gid), directory)
