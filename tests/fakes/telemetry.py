"""Metrics in dicts, as a test wants to compare them."""

from collections import Counter


class Counts:
    """`seen` holds how often something was counted or observed, by `name{label=value}`; `gauges` the last values."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        self.seen[labelled(name, labels)] += value

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self.seen[name] += 1

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.seen[name] += 1
        self.gauges[labelled(name, labels)] = value


def labelled(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{','.join(f'{key}={labels[key]}' for key in sorted(labels))}}}"
