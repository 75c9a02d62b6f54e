"""A journal in memory. Whoever reads it finds the open entries as if their process had just crashed."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from messaging.application.ports.send_journal import CrashedSend
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Failure
from messaging.domain.shared.ids import AccountId


class InMemorySendJournal:
    def __init__(self) -> None:
        self.entries: dict[tuple[MessageKey, int], CrashedSend] = {}

    def open(self, key: MessageKey, epoch: int, account_id: AccountId) -> "_Entry":
        self.entries[key, epoch] = CrashedSend(key=key, epoch=epoch, account_id=account_id, sent=False)
        return _Entry(self.entries, (key, epoch))

    def crashed(self) -> Iterator["_CrashedJournal"]:
        if self.entries:
            yield _CrashedJournal(self.entries)


class _Entry:
    def __init__(self, entries: dict[tuple[MessageKey, int], CrashedSend], at: tuple[MessageKey, int]) -> None:
        self._entries = entries
        self._at = at

    def sent(self) -> None:
        self._entries[self._at] = replace(self._entries[self._at], sent=True)

    def failed(self, failure: Failure) -> None:
        self._entries[self._at] = replace(self._entries[self._at], sent=True, failure=failure)

    def close(self) -> None:
        self._entries.pop(self._at, None)


class _CrashedJournal:
    def __init__(self, entries: dict[tuple[MessageKey, int], CrashedSend]) -> None:
        self._entries = entries

    def __enter__(self) -> Sequence[CrashedSend]:
        return list(self._entries.values())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._entries.clear()
