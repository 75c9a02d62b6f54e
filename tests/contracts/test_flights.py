"""What both keepers of notes about sends must do; a process dies the moment somebody looks."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from messaging.adapters.files.flights import FileFlightLog, FileWrecks, is_possible
from messaging.application.ports.flights import FlightLog, Noted, Wrecks
from messaging.domain.messages.retry import Rejected
from messaging.domain.messages.standing import MessageKey
from messaging.domain.shared.ids import AccountId, MessageId, TenantId
from tests.fakes.flights import InMemoryFlights

KEY, ACCOUNT = MessageKey(TenantId(UUID(int=1)), MessageId(UUID(int=2))), AccountId(UUID(int=3))
REFUSED = Rejected(code="131026", reason="undeliverable", http_status=400)

Kept = tuple[FlightLog, Callable[[], Wrecks]]


@pytest.fixture(params=["fake", "real"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    if request.param == "fake":
        fake = InMemoryFlights()
        return fake, lambda: fake
    if not is_possible():
        pytest.skip("only Linux tells one boot from another")
    log = FileFlightLog(tmp_path)

    def dead() -> Wrecks:
        # Whoever holds the file open holds the lock, and the map is one of them.
        log._map.close()
        os.close(log._file)
        return FileWrecks(tmp_path)

    return log, dead


def read(wrecks: Wrecks) -> list[Noted]:
    notes: list[Noted] = []
    for wreck in wrecks.found():
        with wreck as found:
            notes += found
    return notes


@pytest.mark.parametrize("departs", [False, True])
def test_a_note_tells_whether_the_send_had_left(kept: Kept, departs: bool) -> None:
    log, dead = kept
    flight = log.board(KEY, 7, ACCOUNT)
    if departs:
        flight.depart()

    assert read(dead()) == [Noted(key=KEY, epoch=7, account_id=ACCOUNT, departed=departs)]


def test_a_note_tells_what_came_of_it(kept: Kept) -> None:
    log, dead = kept
    flight = log.board(KEY, 7, ACCOUNT)
    flight.depart()
    flight.land(REFUSED)

    assert read(dead()) == [Noted(key=KEY, epoch=7, account_id=ACCOUNT, departed=True, failure=REFUSED)]


def test_what_ended_is_not_told(kept: Kept) -> None:
    log, dead = kept
    log.board(KEY, 6, ACCOUNT).end()

    assert read(dead()) == []


def test_what_was_read_is_read_once(kept: Kept) -> None:
    log, dead = kept
    log.board(KEY, 7, ACCOUNT)
    wrecks = dead()

    assert [len(read(wrecks)), len(read(wrecks))] == [1, 0]


def test_what_could_not_be_used_is_kept(kept: Kept) -> None:
    log, dead = kept
    log.board(KEY, 7, ACCOUNT)
    wrecks = dead()

    for wreck in wrecks.found():
        with pytest.raises(LookupError), wreck:
            raise LookupError

    assert len(read(wrecks)) == 1
