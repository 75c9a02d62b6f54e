"""Prepares what every process has: its logging, and the places where it shall die in a test of crashes."""

from messaging.application import crashpoints
from messaging.entrypoints.observability.telemetry import configure_logging
from messaging.entrypoints.settings.settings import Settings


def prepare(settings: Settings, *, process: str) -> None:
    """Logging, and the places where the process shall die."""
    configure_logging(settings.log_level, process=process)
    if settings.crashpoint is not None:
        crashpoints.arm(settings.crashpoint.crashes)
