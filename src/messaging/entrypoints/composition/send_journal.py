"""Chooses the send journal of a worker by the settings."""

from pathlib import Path

from messaging.adapters.files.send_journal import FileSendJournal, is_possible
from messaging.application.ports.send_journal import NoSendJournal, SendJournal
from messaging.entrypoints.settings.settings import Settings


def send_journal(settings: Settings) -> SendJournal:
    directory = settings.send_journal_directory
    return FileSendJournal(Path(directory)) if directory is not None and is_possible() else NoSendJournal()
