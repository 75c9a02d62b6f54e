"""Prepares what every process has: its logging, and the crash points that a test of crashes sets."""

from messaging.application import crashpoints
from messaging.entrypoints.composition.providers import PROVIDERS
from messaging.entrypoints.observability.logs import configure_logging
from messaging.entrypoints.observability.redaction import redaction_of
from messaging.entrypoints.settings.settings import Settings


def prepare(settings: Settings, *, process: str) -> None:
    """Sets up logging, and arms the crash points that the settings name."""
    configure_logging(settings.log_level, process=process, redaction=redaction_of(PROVIDERS))
    if settings.crashpoint is not None:
        crashpoints.arm(settings.crashpoint.crashes)
