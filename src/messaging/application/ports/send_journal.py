"""Port for the journal of sends in flight, which outlives its process and tells how far each send had come."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Failure
from messaging.domain.shared.ids import AccountId


class JournalEntry(Protocol):
    """The entry of one attempt. As long as it says nothing else, not a byte of the request has left."""

    def sent(self) -> None:
        """Note that bytes may leave from now on."""

    def failed(self, failure: Failure) -> None:
        """Note the result, which is not recorded yet. An acceptance needs no note, because the provider echoes it."""

    def close(self) -> None:
        """Remove the entry: the outcome is recorded, or never will be."""


class CrashedSend(Struct, frozen=True, kw_only=True):
    """The entry of an attempt that a crashed process left open; `failure` is the result, if the process knew it."""

    key: MessageKey
    epoch: int
    account_id: AccountId
    sent: bool
    failure: Failure | None = None


class SendJournal(Protocol):
    """The journals of one machine: this process writes its own, and reads those that crashed processes left behind."""

    def open(self, key: MessageKey, epoch: int, account_id: AccountId) -> JournalEntry:
        """Open an entry before the start of the attempt is recorded.

        It costs no more than some writes to memory and never fails: without room, nothing is noted.
        """
        ...

    def crashed(self) -> Iterator[AbstractContextManager[Sequence[CrashedSend]]]:
        """The entries of each crashed process. Within the block they belong to the caller alone; they are deleted at
        its end, unless it failed. A process that is merely frozen has not crashed.
        """
        ...


class _NoEntry:
    def sent(self) -> None:
        pass

    def failed(self, failure: Failure) -> None:
        pass

    def close(self) -> None:
        pass


_NO_ENTRY = _NoEntry()


class NoSendJournal:
    """Keeps nothing: sends that a crashed process had started have an unknown outcome."""

    def open(self, key: MessageKey, epoch: int, account_id: AccountId) -> JournalEntry:
        return _NO_ENTRY

    def crashed(self) -> Iterator[AbstractContextManager[Sequence[CrashedSend]]]:
        return iter(())
