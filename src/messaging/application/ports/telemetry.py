"""Port for metrics. Label values are few and fixed: never a tenant, a message or a person."""

from typing import Protocol


class Telemetry(Protocol):
    """Metrics by name. docs/metrics.md lists them with their labels."""

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        """Add `value` to a counter."""
        ...

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add a duration to a histogram."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...
