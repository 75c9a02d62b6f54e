"""Port for metrics and spans. Label values are few and fixed: never a tenant, a message or a person."""

from collections.abc import Sequence
from typing import Protocol

from messaging.domain.tracing.spans import Span


class Telemetry(Protocol):
    """Metrics by name, which docs/metrics.md lists with their labels, and the spans of sampled traces."""

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        """Add `value` to a counter."""
        ...

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add a duration to a histogram."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def traces(self, trace_id: str | None) -> bool:
        """Whether spans of this trace are wanted. All processes of an installation answer alike; ask before making
        any span.
        """
        ...

    def emit(self, spans: Sequence[Span]) -> None:
        """Hand spans over for export. It never waits: where the export is behind, they are dropped and counted."""
        ...
