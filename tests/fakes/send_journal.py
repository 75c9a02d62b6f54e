"""Notes about sends that never left this process. Whoever looks finds them as if their worker had just died."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from messaging.application.ports.send_journal import Noted
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Failure
from messaging.domain.shared.ids import AccountId


class InMemoryFlights:
    def __init__(self) -> None:
        self.notes: dict[tuple[MessageKey, int], Noted] = {}

    def board(self, key: MessageKey, epoch: int, account_id: AccountId) -> "_Note":
        self.notes[key, epoch] = Noted(key=key, epoch=epoch, account_id=account_id, departed=False)
        return _Note(self.notes, (key, epoch))

    def found(self) -> Iterator["CrashedJournal"]:
        if self.notes:
            yield CrashedJournal(self.notes)


class _Note:
    def __init__(self, notes: dict[tuple[MessageKey, int], Noted], at: tuple[MessageKey, int]) -> None:
        self._notes = notes
        self._at = at

    def depart(self) -> None:
        self._notes[self._at] = replace(self._notes[self._at], departed=True)

    def land(self, failure: Failure) -> None:
        self._notes[self._at] = replace(self._notes[self._at], departed=True, failure=failure)

    def end(self) -> None:
        self._notes.pop(self._at, None)


class CrashedJournal:
    def __init__(self, notes: dict[tuple[MessageKey, int], Noted]) -> None:
        self._notes = notes

    def __enter__(self) -> Sequence[Noted]:
        return list(self._notes.values())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._notes.clear()
