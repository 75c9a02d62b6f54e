"""Does the page about metrics name exactly what the code reports?"""

import re
from pathlib import Path

from messaging.adapters.telemetry.prometheus import COUNTERS, GAUGES, HISTOGRAMS

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
# Built per scrape from the outbox and the pools; see entrypoints/observability/operations.py.
PER_SCRAPE = {
    "database_connections_in_use": 1,
    "postgres_answers": 0,
    "lane_due": 2,
    "lane_waiting": 2,
    "lane_oldest_due_seconds": 2,
    "lane_workers": 2,
    "jobs_due": 1,
    "jobs_running": 1,
    "jobs_waiting": 1,
    "jobs_dead": 1,
    "jobs_oldest_due_seconds": 1,
    "tenant_messages": 4,
    "tenant_metrics_here": 0,
}


def test_every_metric_has_a_line_with_its_labels_and_no_line_is_of_a_metric_that_is_not() -> None:
    rows = re.findall(r"^\| `messaging_(\w+)` \| \w+ \| ([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    told = {name: len([label for label in labels.split(",") if label.strip()]) for name, labels in rows}

    declared = {name: len(it.labels) for name, it in (COUNTERS | HISTOGRAMS | GAUGES).items()}

    assert told == declared | PER_SCRAPE
