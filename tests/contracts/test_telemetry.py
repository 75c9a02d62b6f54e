"""The fake and Prometheus keep metrics alike, and hand on the spans of sampled traces."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from prometheus_client import CollectorRegistry

from messaging.adapters.telemetry.prometheus import PrometheusTelemetry
from messaging.adapters.telemetry.span_export import Sending, SpanExport
from messaging.application.ports.telemetry import Telemetry
from messaging.domain.tracing.spans import Span, SpanKind
from tests.fakes.telemetry import Counts, labelled


class Metered(NamedTuple):
    """`counted` is how often something was counted, `observed` how often it was measured, `shown` the last value.
    `handed_on` gives the spans that left.
    """

    telemetry: Telemetry
    counted: Callable[[str, dict[str, str]], float]
    observed: Callable[[str], float]
    shown: Callable[[str, dict[str, str]], float]
    handed_on: Callable[[], list[Span]]


@pytest.fixture(params=["in_memory", "prometheus"])
def metered(request: pytest.FixtureRequest) -> Metered:
    if request.param == "in_memory":
        fake = Counts(sample=0.5)
        return Metered(
            fake,
            lambda name, labels: fake.seen[labelled(name, labels)],
            lambda name: fake.seen[name],
            lambda name, labels: fake.gauges[labelled(name, labels)],
            lambda: fake.spans,
        )
    registry = CollectorRegistry()

    def sample(name: str, labels: dict[str, str]) -> float:
        return registry.get_sample_value(f"messaging_{name}", labels) or 0.0

    sent: list[Span] = []

    def send(batch: Sequence[Span]) -> Sending:
        sent.extend(batch)
        return Sending.TAKEN

    export = SpanExport(send, sample=0.5)

    def flushed() -> list[Span]:
        export.close(within=60)
        return sent

    return Metered(
        PrometheusTelemetry(registry=registry, spans=export),
        lambda name, labels: sample(f"{name}_total", labels),
        lambda name: sample(f"{name}_count", {"provider": "whatsapp_cloud"}),
        sample,
        flushed,
    )


def test_counts_add_up_for_each_set_of_labels(metered: Metered) -> None:
    metered.telemetry.count("receipts", kind="read")
    metered.telemetry.count("receipts", 2, kind="read")
    metered.telemetry.count("receipts", kind="sent")
    metered.telemetry.count("slots_missed")

    assert metered.counted("receipts", {"kind": "read"}) == 3
    assert metered.counted("receipts", {"kind": "sent"}) == 1
    assert metered.counted("receipts", {"kind": "failed"}) == 0
    assert metered.counted("slots_missed", {}) == 1


def test_measurements_are_counted(metered: Metered) -> None:
    for seconds in (0.1, 0.2):
        metered.telemetry.observe("attempt_seconds", seconds, provider="whatsapp_cloud")

    assert metered.observed("attempt_seconds") == 2


def test_a_gauge_shows_its_last_value(metered: Metered) -> None:
    for value in (3.0, 1.0):
        metered.telemetry.gauge("breakers_open", value, scope="sender")

    assert metered.shown("breakers_open", {"scope": "sender"}) == 1.0


def test_the_lower_half_of_the_traces_is_wanted_and_their_spans_are_handed_on(metered: Metered) -> None:
    wanted, other = "f" * 16 + "7" + "f" * 15, "0" * 16 + "8" + "0" * 15

    assert [metered.telemetry.traces(id) for id in (wanted, other, None)] == [True, False, False]
    metered.telemetry.emit([a_span(wanted), a_span(wanted)])
    assert metered.handed_on() == [a_span(wanted)] * 2


def a_span(trace_id: str) -> Span:
    noon = datetime(2026, 5, 4, 12, tzinfo=UTC)
    kind = SpanKind.INTERNAL
    return Span(
        trace_id=trace_id, span_id="1" * 16, parent_id=None, name="x", kind=kind, started_at=noon, ended_at=noon
    )
