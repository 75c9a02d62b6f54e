"""Port for a journal of sends that outlives its process and tells, after a crash, how far each send had come."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Failure
from messaging.domain.shared.ids import AccountId


class JournalEntry(Protocol):
    """The note about one attempt. As long as it says nothing else, not a byte of the request has left."""

    def depart(self) -> None:
        """From here on bytes may leave."""

    def land(self, failure: Failure) -> None:
        """It is known what came of it, and not written down yet. An acceptance needs no note, it has its echo."""

    def end(self) -> None:
        """There is nothing more to tell: it is written down, or will never be."""


class SendJournal(Protocol):
    """Costs no more than some writes to memory, and never fails: a note that finds no place is none."""

    def board(self, key: MessageKey, epoch: int, account_id: AccountId) -> JournalEntry:
        """Before the start is written down."""


class Noted(Struct, frozen=True, kw_only=True):
    """What a dead process left about one attempt; `failure` is what came of it, if it knew."""

    key: MessageKey
    epoch: int
    account_id: AccountId
    departed: bool
    failure: Failure | None = None


class CrashedJournals(Protocol):
    """What processes of this machine left behind. A process that is merely frozen has left nothing."""

    def found(self) -> Iterator[AbstractContextManager[Sequence[Noted]]]:
        """Within the block the notes of one dead process are nobody else's; they are gone after it has ended well."""


class _NoNote:
    def depart(self) -> None:
        pass

    def land(self, failure: Failure) -> None:
        pass

    def end(self) -> None:
        pass


_NO_NOTE = _NoNote()


class NoSendJournal:
    """Where nothing is kept: what a process that dies had started stays unclear."""

    def board(self, key: MessageKey, epoch: int, account_id: AccountId) -> JournalEntry:
        return _NO_NOTE

    def found(self) -> Iterator[AbstractContextManager[Sequence[Noted]]]:
        return iter(())
