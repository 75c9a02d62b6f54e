"""One ledger of several providers: each finds its own entries, at positions that they share."""

from pathlib import Path

import msgspec

from messaging.entrypoints.sandbox.core.storage.events import Event, EventLog
from messaging.entrypoints.sandbox.core.storage.ledger import Entry, Ledger, Section


class Numbered:
    """Ids that are the position alone, the same for all providers."""

    def mint(self, user: str, n: int) -> str:
        return f"id-{n}"

    def position(self, message_id: str) -> int | None:
        return int(message_id.removeprefix("id-"))


class Priced(Entry, frozen=True, kw_only=True):
    price: int
    provider: str = "priced"


class Plain(Entry, frozen=True, kw_only=True):
    provider: str = "plain"


def sections(path: Path) -> tuple[Ledger, Section[Plain], Section[Priced]]:
    ledger = Ledger(path, fsync=False)
    ids = Numbered()
    return (
        ledger,
        Section(ledger, Plain, names=("plain", ""), ids=ids),
        Section(ledger, Priced, names=("priced",), ids=ids),
    )


def common(n: int, message_id: str) -> dict[str, object]:
    return {
        "n": n,
        "message_id": message_id,
        "to": "+1",
        "sender": "s",
        "reference": None,
        "received_at": 1.0,
        "body": msgspec.Raw(b"{}"),
    }


async def test_providers_share_positions_and_find_only_their_own_entries(tmp_path: Path) -> None:
    ledger, plain, priced = sections(tmp_path / "ledger.jsonl")

    await plain.record(Plain(**common(*plain.reserve("u"))))  # type: ignore[arg-type]
    await priced.record(Priced(**common(*priced.reserve("u")), price=7))  # type: ignore[arg-type]

    assert [entry.n for entry in plain.entries()] == [0]
    assert [(entry.n, entry.price) for entry in priced.entries()] == [(1, 7)]
    assert plain.find("id-1") is None
    found = priced.find("id-1")
    assert found is not None
    assert found.price == 7
    assert len(ledger) == 2
    await ledger.log.close()


async def test_lines_of_the_time_with_one_provider_are_that_providers(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(
        b'{"n":0,"message_id":"id-0","to":"+1","sender":"s","reference":null,"received_at":1.0,"body":{}}\n'
    )

    ledger, plain, priced = sections(path)

    assert [entry.message_id for entry in plain.entries()] == ["id-0"]
    assert list(priced.entries()) == []
    await ledger.log.close()


async def test_events_are_read_back_by_the_provider_they_are_of(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", fsync=False)

    places = [await log.add(Event(at=float(n), provider=name)) for n, name in enumerate(("plain", "priced", "plain"))]

    assert places == [0, 1, 2]
    assert [n for n, _ in log.lines(("plain", ""))] == [0, 2]
    assert [n for n, _ in log.lines(("priced",))] == [1]
    await log.close()
