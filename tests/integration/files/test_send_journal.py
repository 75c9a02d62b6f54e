"""Entries of a send journal outlive their worker, and are believed exactly when its death is certain."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from messaging.adapters.files import send_journal
from messaging.adapters.files.send_journal import FileSendJournal, is_possible
from messaging.application.ports.send_journal import CrashedSend
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Failure, Rejected, Scope, Unavailable, Uncertain, Unreachable
from messaging.domain.shared.ids import AccountId, MessageId, TenantId

pytestmark = pytest.mark.skipif(not is_possible(), reason="only Linux tells one boot from another")

_ROOT = Path(__file__).parents[3]
ACCOUNT = AccountId(UUID(int=3))
# A worker that notes whatever stands in PROGRAM, says so, and waits to be killed.
WORKER = """
import sys, time
from pathlib import Path
from tests.integration.files.test_send_journal import *

log = FileSendJournal(Path(sys.argv[1]), slots=8)
exec(sys.argv[2])
print("noted", flush=True)
time.sleep(60)
"""


def key(number: int) -> MessageKey:
    return MessageKey(TenantId(UUID(int=1)), MessageId(UUID(int=number)))


def crashed_send(number: int, *, sent: bool = False, failure: Failure | None = None) -> CrashedSend:
    return CrashedSend(key=key(number), epoch=7, account_id=ACCOUNT, sent=sent, failure=failure)


@asynccontextmanager
async def worker(directory: Path, program: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Dead when the block ends, if it is not before."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, str(directory), program, stdout=asyncio.subprocess.PIPE, cwd=_ROOT
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"noted\n"
        yield process
    finally:
        process.kill()
        await process.wait()


async def left_by(directory: Path, program: str) -> None:
    async with worker(directory, program):
        pass


def found(directory: Path) -> list[Sequence[CrashedSend]]:
    notes = []
    for crashed in FileSendJournal(directory).crashed():
        with crashed as noted_there:
            notes.append(noted_there)
    return notes


OPENED = "log.open(key(5), 7, ACCOUNT)"


async def test_a_killed_worker_leaves_what_it_noted_last(tmp_path: Path) -> None:
    await left_by(
        tmp_path,
        """
for number in range(5, 9):
    entry = log.open(key(number), 7, ACCOUNT)
    if number > 5: entry.sent()
    if number == 7: entry.failed(Rejected(code="131026", reason="undeliverable"))
    if number == 8: entry.close()
""",
    )
    [file] = tmp_path.iterdir()

    (notes,) = found(tmp_path)

    assert sorted(notes, key=lambda note: note.key) == [
        crashed_send(5),
        crashed_send(6, sent=True),
        crashed_send(7, sent=True, failure=Rejected(code="131026", reason="undeliverable")),
    ]
    assert not file.exists()


@pytest.mark.parametrize(
    "failure",
    [
        Rejected(code="1", reason="no", http_status=400),
        Unavailable(code="2", reason="busy", scope=Scope.CREDENTIAL),
        Unreachable(reason="refused"),
        Uncertain(reason="silence", likely_sent=True),
    ],
)
def test_every_failure_can_be_noted(tmp_path: Path, failure: Failure) -> None:
    log = FileSendJournal(tmp_path)
    entry = log.open(key(5), 7, ACCOUNT)
    entry.sent()
    entry.failed(failure)

    assert written(tmp_path) == [crashed_send(5, sent=True, failure=failure)]


def test_what_is_too_long_to_be_noted_stays_unclear(tmp_path: Path) -> None:
    log = FileSendJournal(tmp_path)
    entry = log.open(key(5), 7, ACCOUNT)
    entry.sent()
    entry.failed(Rejected(code="1", reason="x" * 600))

    assert written(tmp_path) == [crashed_send(5, sent=True)]


def test_a_place_is_used_again_and_says_nothing_of_who_had_it_before(tmp_path: Path) -> None:
    log = FileSendJournal(tmp_path, slots=1)
    first = log.open(key(5), 7, ACCOUNT)
    first.sent()
    first.failed(Unreachable(reason="refused"))
    first.close()
    log.open(key(6), 7, ACCOUNT)

    assert written(tmp_path) == [crashed_send(6)]


def test_who_finds_no_place_goes_unnoted(tmp_path: Path) -> None:
    log = FileSendJournal(tmp_path, slots=1)
    first, second = log.open(key(5), 7, ACCOUNT), log.open(key(6), 7, ACCOUNT)
    second.sent()
    second.failed(Unreachable(reason="refused"))
    second.close()

    assert written(tmp_path) == [crashed_send(5)]
    first.close()
    assert written(tmp_path) == []


async def test_the_notes_of_a_frozen_worker_are_nobody_elses(tmp_path: Path) -> None:
    async with worker(tmp_path, OPENED) as process:
        process.send_signal(signal.SIGSTOP)

        assert found(tmp_path) == []

    assert found(tmp_path) == [[crashed_send(5)]]


async def test_notes_of_another_boot_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await left_by(tmp_path, OPENED)
    [file] = tmp_path.iterdir()
    other = tmp_path / "boot_id"
    other.write_text("another boot")
    monkeypatch.setattr(send_journal, "_BOOT", other)

    assert found(tmp_path) == [[]]
    assert not file.exists()


async def test_only_one_looks_at_a_time(tmp_path: Path) -> None:
    await left_by(tmp_path, OPENED)

    for crashed in FileSendJournal(tmp_path).crashed():
        with crashed as notes:
            at_the_same_time = found(tmp_path)

    assert notes == [crashed_send(5)]
    assert at_the_same_time == found(tmp_path) == []


async def test_notes_that_could_not_be_used_are_kept(tmp_path: Path) -> None:
    await left_by(tmp_path, OPENED)

    for crashed in FileSendJournal(tmp_path).crashed():
        with pytest.raises(LookupError), crashed:
            raise LookupError

    assert found(tmp_path) == [[crashed_send(5)]]


async def test_notes_are_for_our_own_account_alone(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    FileSendJournal(directory)

    (file,) = directory.iterdir()
    assert (directory.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def written(directory: Path) -> list[CrashedSend]:
    """The entries that would be found if this process crashed now."""
    (file,) = directory.iterdir()
    return send_journal._read(file.read_bytes())
