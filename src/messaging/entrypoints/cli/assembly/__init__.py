"""How does each process get what it needs? A module per process: none pays for the imports of another at its start.

The one place that sees both the object graph and the processes' doors.
"""

from messaging.application import crashpoints
from messaging.entrypoints.observability.telemetry import configure_logging
from messaging.entrypoints.settings.settings import Settings


def prepare(settings: Settings, *, process: str) -> None:
    """Logging, and the places where the process shall die."""
    configure_logging(settings.log_level, process=process)
    if settings.crashpoint is not None:
        crashpoints.arm(settings.crashpoint.crashes)
