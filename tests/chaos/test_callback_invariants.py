"""Does each promise to those who listen notice what breaks it, in evidence made by hand?"""

import sqlite3

import pytest

from messaging.entrypoints.lab.chaos.judging.callback_evidence import INDEXES, TABLES
from messaging.entrypoints.lab.chaos.judging.callback_invariants import CALLBACK_INVARIANTS
from messaging.entrypoints.lab.chaos.judging.invariants import judge


def request(event: str, sequence: int, began: float, *, attempt: int = 1, status: int | None = 200) -> str:
    """One request of 0.1 s about message m1; its body's digest is the event's own."""
    code = "NULL" if status is None else status
    return (
        f"INSERT INTO requests VALUES ('r1', '{event}', {attempt}, 'message.sent', 'm1', {sequence}, 'd{event}', 1,"
        f" {began}, {began + 0.1}, {code});"
    )


def told(event: str, sequence: int, *, end: str = "delivered", attempts: int = 1) -> str:
    tries = "".join(f"INSERT INTO tries VALUES ('e1', '{event}', {n}, {n});" for n in range(1, attempts + 1))
    return (
        f"INSERT INTO told VALUES ('{event}', 'm1', {sequence}, 'message.sent', 't1');"
        f"INSERT INTO ends VALUES ('e1', '{event}', '{end}');{tries}"
    )


# One message whose three events were told in order, the second at its second attempt.
GOOD = (
    "INSERT INTO receivers VALUES ('r1', 'e1', 't1', 's1');"
    "INSERT INTO of_senders VALUES ('m1', 't1', 's1', 'sent');"
    "INSERT INTO untold VALUES ('callbacks not ended', 0);"
    + told("a", 1)
    + told("b", 2, attempts=2)
    + told("c", 3)
    + request("a", 1, 10)
    + request("b", 2, 20, status=503)
    + request("b", 2, 30, attempt=2)
    + request("c", 3, 40)
)


def violated(*changes: str) -> set[str]:
    database = sqlite3.connect(":memory:")
    faults = "CREATE TABLE faults (kind TEXT, target TEXT, began REAL, ended REAL, hit INT, pid INT);"
    database.executescript(TABLES + faults + GOOD + "".join(f"{change};" for change in changes) + INDEXES)
    return {judged.id for judged in judge(database, CALLBACK_INVARIANTS) if judged.violations}


def test_what_was_told_in_order_breaks_nothing() -> None:
    assert violated() == set()


AGAIN = request("a", 1, 15)


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("DELETE FROM ends WHERE event = 'b'", {"C1"}),
        ("INSERT INTO ends VALUES ('e1', 'b', 'exhausted')", {"C1"}),
        ("DELETE FROM requests WHERE event = 'c'", {"C1"}),
        ("UPDATE requests SET status = 503 WHERE event = 'c'", {"C1"}),
        ("UPDATE of_senders SET state = 'delivered'", {"C1"}),
        ("UPDATE untold SET count = 1", {"C1"}),
        ("UPDATE of_senders SET sender = 's2'", {"C1"}),
        ("UPDATE requests SET ended = 45 WHERE event = 'b' AND attempt = 2", {"C2", "C3"}),
        ("UPDATE requests SET began = 25, ended = 25.1 WHERE event = 'c'", {"C3"}),
        ("UPDATE requests SET began = 9.95, ended = 10.05 WHERE event = 'b' AND attempt = 1", {"C2", "C3"}),
        ("UPDATE requests SET digest = 'other' WHERE event = 'b' AND attempt = 2", {"C4"}),
        ("UPDATE requests SET signed = 0 WHERE event = 'a'", {"C4"}),
        ("DELETE FROM tries WHERE event = 'b' AND n = 2", {"C5"}),
        ("UPDATE tries SET started = 11 WHERE event = 'a'", {"C5"}),
        (AGAIN, {"C6"}),
    ],
)
def test_what_breaks_a_promise_is_noticed(change: str, broken: set[str]) -> None:
    assert violated(change) == broken


def test_what_was_taken_may_come_again_after_a_crash() -> None:
    assert violated(AGAIN, "INSERT INTO faults VALUES ('kill', 'callbacks', 9.9, 10.2, 1, 7)") == set()
    assert violated(AGAIN, "INSERT INTO faults VALUES ('kill', 'worker', 9.9, 10.2, 1, 7)") == {"C6"}


def test_a_refusal_may_come_again_without_a_fault() -> None:
    assert violated(request("c", 3, 38, status=None), "INSERT INTO tries VALUES ('e1', 'c', 2, 3)") == set()


def test_without_listeners_nothing_is_judged() -> None:
    database = sqlite3.connect(":memory:")
    database.executescript(TABLES)

    assert {judged.note for judged in judge(database, CALLBACK_INVARIANTS)} == {"not exercised"}
