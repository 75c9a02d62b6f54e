"""Builds each process from the object graph, one module per process, so that none imports what only another needs.

This is the one place that imports both the composition and the processes' entry points.
"""

from messaging.application import crashpoints
from messaging.entrypoints.observability.telemetry import configure_logging
from messaging.entrypoints.settings.settings import Settings


def prepare(settings: Settings, *, process: str) -> None:
    """Logging, and the places where the process shall die."""
    configure_logging(settings.log_level, process=process)
    if settings.crashpoint is not None:
        crashpoints.arm(settings.crashpoint.crashes)
