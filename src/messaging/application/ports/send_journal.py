"""Port for a journal of sends that outlives its process and tells, after a crash, how far each send had come."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Failure
from messaging.domain.shared.ids import AccountId


class JournalEntry(Protocol):
    """The record of one attempt. Until `depart`, no byte of the request has been sent."""

    def depart(self) -> None:
        """Record that bytes may be sent from now on."""

    def land(self, failure: Failure) -> None:
        """Record the failure that is known but not in the database yet. An acceptance is not recorded: the provider
        reports it.
        """

    def end(self) -> None:
        """Delete the record: the outcome is in the database, or never will be."""


class SendJournal(Protocol):
    """A journal of sends in memory that outlives its process. It never fails: if it is full, nothing is recorded."""

    def board(self, key: MessageKey, epoch: int, account_id: AccountId) -> JournalEntry:
        """Open a record, before the start of the attempt is written to the database."""


class Noted(Struct, frozen=True, kw_only=True):
    """A record of a dead process about one attempt; `failure` is its failure, if the process knew of one."""

    key: MessageKey
    epoch: int
    account_id: AccountId
    departed: bool
    failure: Failure | None = None


class CrashedJournals(Protocol):
    """The journals that dead processes of this machine left. A process that is only frozen is not dead."""

    def found(self) -> Iterator[AbstractContextManager[Sequence[Noted]]]:
        """The records of each dead process. Inside the block no other process reads them; after it they are deleted,
        unless it raised.
        """


class _NoNote:
    def depart(self) -> None:
        pass

    def land(self, failure: Failure) -> None:
        pass

    def end(self) -> None:
        pass


_NO_NOTE = _NoNote()


class NoSendJournal:
    """A journal that records nothing: the outcomes of a dead process's sends stay unknown."""

    def board(self, key: MessageKey, epoch: int, account_id: AccountId) -> JournalEntry:
        return _NO_NOTE

    def found(self) -> Iterator[AbstractContextManager[Sequence[Noted]]]:
        return iter(())
