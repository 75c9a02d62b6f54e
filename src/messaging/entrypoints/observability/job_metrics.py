"""The metrics of the outbox's jobs, counted at every scrape."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily

from messaging.application.jobs import KINDS
from messaging.application.ports.job_records import JobCount

_HELP: Final = {
    "due": "Jobs that should be running now.",
    "running": "Jobs that a worker has claimed.",
    "waiting": "Jobs whose time has not come, or that follow another one.",
    "dead": "Jobs that only a person runs again.",
    "oldest_due_seconds": "How long the oldest due job has been due.",
}


class JobMetrics(CollectorRegistry):
    """Zeros for kinds without jobs: an absent series would look like a process that is gone."""

    def __init__(self, counts: Sequence[JobCount]) -> None:
        super().__init__()
        self._counts = {count.kind: count for count in counts}

    def collect(self) -> Iterable[Metric]:
        now = datetime.now(UTC)
        families = [GaugeMetricFamily(f"messaging_jobs_{name}", text, labels=("kind",)) for name, text in _HELP.items()]
        for kind in sorted(KINDS.keys() | self._counts.keys()):
            for family, value in zip(families, _figures(self._counts.get(kind), now), strict=True):
                family.add_metric((kind,), value)
        return families


def _figures(count: JobCount | None, now: datetime) -> tuple[float, ...]:
    if count is None:
        return (0.0,) * len(_HELP)
    oldest = 0.0 if count.oldest_due_at is None else max(0.0, (now - count.oldest_due_at).total_seconds())
    return count.due, count.running, count.waiting, count.dead, oldest
