"""Port for metrics. Label values are few and fixed: never a tenant, a message or a person."""

from typing import Protocol


class Telemetry(Protocol):
    def count(self, name: str, value: int = 1, **labels: str) -> None: ...

    def observe(self, name: str, seconds: float, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...
