"""What both send journals must do; their process dies the moment somebody looks."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from messaging.adapters.files.send_journal import FileSendJournal, is_possible
from messaging.application.ports.send_journal import CrashedSend, SendJournal
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Rejected
from messaging.domain.shared.ids import AccountId, MessageId, TenantId
from tests.fakes.send_journal import InMemorySendJournal

KEY, ACCOUNT = MessageKey(TenantId(UUID(int=1)), MessageId(UUID(int=2))), AccountId(UUID(int=3))
REFUSED = Rejected(code="131026", reason="undeliverable", http_status=400)

Kept = tuple[SendJournal, Callable[[], SendJournal]]


@pytest.fixture(params=["fake", "real"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    if request.param == "fake":
        fake = InMemorySendJournal()
        return fake, lambda: fake
    if not is_possible():
        pytest.skip("only Linux tells one boot from another")
    log = FileSendJournal(tmp_path)

    def dead() -> SendJournal:
        # Whoever holds the file open holds the lock, and the map is one of them.
        log._map.close()
        os.close(log._file)
        return FileSendJournal(tmp_path)

    return log, dead


def read(journal: SendJournal) -> list[CrashedSend]:
    notes: list[CrashedSend] = []
    for crashed in journal.crashed():
        with crashed as found:
            notes += found
    return notes


@pytest.mark.parametrize("departs", [False, True])
def test_a_note_tells_whether_the_send_had_left(kept: Kept, departs: bool) -> None:
    log, dead = kept
    entry = log.open(KEY, 7, ACCOUNT)
    if departs:
        entry.sent()

    assert read(dead()) == [CrashedSend(key=KEY, epoch=7, account_id=ACCOUNT, sent=departs)]


def test_a_note_tells_what_came_of_it(kept: Kept) -> None:
    log, dead = kept
    entry = log.open(KEY, 7, ACCOUNT)
    entry.sent()
    entry.failed(REFUSED)

    assert read(dead()) == [CrashedSend(key=KEY, epoch=7, account_id=ACCOUNT, sent=True, failure=REFUSED)]


def test_what_ended_is_not_told(kept: Kept) -> None:
    log, dead = kept
    log.open(KEY, 6, ACCOUNT).close()

    assert read(dead()) == []


def test_what_was_read_is_read_once(kept: Kept) -> None:
    log, dead = kept
    log.open(KEY, 7, ACCOUNT)
    journal = dead()

    assert [len(read(journal)), len(read(journal))] == [1, 0]


def test_what_could_not_be_used_is_kept(kept: Kept) -> None:
    log, dead = kept
    log.open(KEY, 7, ACCOUNT)
    journal = dead()

    for crashed in journal.crashed():
        with pytest.raises(LookupError), crashed:
            raise LookupError

    assert len(read(journal)) == 1
