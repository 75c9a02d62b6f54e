"""Metrics in dicts, as a test wants to compare them, and spans in a list."""

from collections import Counter
from collections.abc import Sequence

from messaging.domain.tracing.spans import Span, is_sampled, sampling_bound


class Counts:
    """`seen` holds how often something was counted or observed, by `name{label=value}`; `gauges` the last values.

    `spans` holds what was emitted; traces are wanted whose ids are below `sampled_below`.
    """

    def __init__(self, *, sample: float = 0.0) -> None:
        self.seen: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}
        self.spans: list[Span] = []
        self.sampled_below = sampling_bound(sample)

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        self.seen[labelled(name, labels)] += value

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self.seen[name] += 1

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.seen[name] += 1
        self.gauges[labelled(name, labels)] = value

    def traces(self, trace_id: str | None) -> bool:
        return trace_id is not None and is_sampled(trace_id, self.sampled_below)

    def emit(self, spans: Sequence[Span]) -> None:
        self.spans.extend(spans)


def labelled(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{','.join(f'{key}={labels[key]}' for key in sorted(labels))}}}"
