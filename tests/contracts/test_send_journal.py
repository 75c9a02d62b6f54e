"""What both keepers of notes about sends must do; a process dies the moment somebody looks."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from messaging.adapters.files.send_journal import FileCrashedJournals, FileSendJournal, is_possible
from messaging.application.ports.send_journal import CrashedJournals, Noted, SendJournal
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Rejected
from messaging.domain.shared.ids import AccountId, MessageId, TenantId
from tests.fakes.send_journal import InMemoryFlights

KEY, ACCOUNT = MessageKey(TenantId(UUID(int=1)), MessageId(UUID(int=2))), AccountId(UUID(int=3))
REFUSED = Rejected(code="131026", reason="undeliverable", http_status=400)

Kept = tuple[SendJournal, Callable[[], CrashedJournals]]


@pytest.fixture(params=["fake", "real"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    if request.param == "fake":
        fake = InMemoryFlights()
        return fake, lambda: fake
    if not is_possible():
        pytest.skip("only Linux tells one boot from another")
    log = FileSendJournal(tmp_path)

    def dead() -> CrashedJournals:
        # Whoever holds the file open holds the lock, and the map is one of them.
        log._map.close()
        os.close(log._file)
        return FileCrashedJournals(tmp_path)

    return log, dead


def read(crashed_journals: CrashedJournals) -> list[Noted]:
    notes: list[Noted] = []
    for crashed in crashed_journals.found():
        with crashed as found:
            notes += found
    return notes


@pytest.mark.parametrize("departs", [False, True])
def test_a_note_tells_whether_the_send_had_left(kept: Kept, departs: bool) -> None:
    log, dead = kept
    entry = log.board(KEY, 7, ACCOUNT)
    if departs:
        entry.depart()

    assert read(dead()) == [Noted(key=KEY, epoch=7, account_id=ACCOUNT, departed=departs)]


def test_a_note_tells_what_came_of_it(kept: Kept) -> None:
    log, dead = kept
    entry = log.board(KEY, 7, ACCOUNT)
    entry.depart()
    entry.land(REFUSED)

    assert read(dead()) == [Noted(key=KEY, epoch=7, account_id=ACCOUNT, departed=True, failure=REFUSED)]


def test_what_ended_is_not_told(kept: Kept) -> None:
    log, dead = kept
    log.board(KEY, 6, ACCOUNT).end()

    assert read(dead()) == []


def test_what_was_read_is_read_once(kept: Kept) -> None:
    log, dead = kept
    log.board(KEY, 7, ACCOUNT)
    crashed_journals = dead()

    assert [len(read(crashed_journals)), len(read(crashed_journals))] == [1, 0]


def test_what_could_not_be_used_is_kept(kept: Kept) -> None:
    log, dead = kept
    log.board(KEY, 7, ACCOUNT)
    crashed_journals = dead()

    for crashed in crashed_journals.found():
        with pytest.raises(LookupError), crashed:
            raise LookupError

    assert len(read(crashed_journals)) == 1
