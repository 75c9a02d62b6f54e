"""Chooses the send journal that a worker writes, and the journals of crashed workers that it reads, by the settings."""

from pathlib import Path

from messaging.adapters.files.send_journal import FileCrashedJournals, FileSendJournal, is_possible
from messaging.application.ports.send_journal import CrashedJournals, NoSendJournal, SendJournal
from messaging.entrypoints.settings.settings import Settings


def send_journal(settings: Settings) -> SendJournal:
    directory = _directory(settings)
    return NoSendJournal() if directory is None else FileSendJournal(directory)


def crashed_journals(settings: Settings) -> CrashedJournals:
    directory = _directory(settings)
    return NoSendJournal() if directory is None else FileCrashedJournals(directory)


def _directory(settings: Settings) -> Path | None:
    told = settings.send_journal_directory
    return Path(told) if told is not None and is_possible() else None
