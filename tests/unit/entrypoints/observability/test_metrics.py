"""Every metric the code reports is declared, and only those can be reported."""

import ast
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from messaging.adapters.telemetry.prometheus import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    PrometheusTelemetry,
    UndeclaredMetric,
)

SOURCES = Path(__file__).parents[4] / "src" / "messaging"
TABLES = {"count": COUNTERS, "observe": HISTOGRAMS, "gauge": GAUGES}


def calls() -> list[tuple[str, str, set[str]]]:
    """Method, metric and labels of every call of a telemetry in the sources."""
    nodes = (node for path in SOURCES.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())))
    return [
        (node.func.attr, str(node.args[0].value), {str(keyword.arg) for keyword in node.keywords})
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in TABLES
        and ast.unparse(node.func.value).endswith("telemetry")
        and isinstance(node.args[0], ast.Constant)
    ]


def test_every_reported_metric_is_declared_with_its_labels() -> None:
    undeclared = [
        (method, name, labels)
        for method, name, labels in calls()
        if name not in TABLES[method] or labels != set(TABLES[method][name].labels)
    ]

    assert len(calls()) >= 5
    assert undeclared == []


def test_every_declared_metric_is_reported_somewhere() -> None:
    reported = {name for _, name, _ in calls()}

    assert {*COUNTERS, *HISTOGRAMS, *GAUGES} - reported == set()


def test_counts_and_observations_arrive_under_fixed_names() -> None:
    registry = CollectorRegistry()
    telemetry = PrometheusTelemetry(registry=registry)

    telemetry.count("receipts", 2, kind="sent")
    telemetry.observe("attempt_seconds", 0.2, provider="whatsapp_cloud")

    assert registry.get_sample_value("messaging_receipts_total", {"kind": "sent"}) == 2
    labels = {"provider": "whatsapp_cloud"}
    assert registry.get_sample_value("messaging_attempt_seconds_count", labels) == 1


def test_an_undeclared_metric_or_label_is_an_error() -> None:
    telemetry = PrometheusTelemetry(registry=CollectorRegistry())

    with pytest.raises(UndeclaredMetric):
        telemetry.count("recepits", kind="sent")
    with pytest.raises(UndeclaredMetric):
        telemetry.count("receipts", tenant="ten_1")
    with pytest.raises(UndeclaredMetric):
        telemetry.observe("attempt_seconds", 1.0)
    with pytest.raises(UndeclaredMetric):
        telemetry.gauge("nothing", 1.0)
