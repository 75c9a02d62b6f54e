"""The fake and Prometheus keep metrics alike."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from prometheus_client import CollectorRegistry

from messaging.adapters.telemetry.prometheus import PrometheusTelemetry
from messaging.application.ports.telemetry import Telemetry
from tests.fakes.telemetry import Counts, labelled


class Metered(NamedTuple):
    """`counted` is how often something was counted, `observed` how often it was measured, `shown` the last value."""

    telemetry: Telemetry
    counted: Callable[[str, dict[str, str]], float]
    observed: Callable[[str], float]
    shown: Callable[[str, dict[str, str]], float]


@pytest.fixture(params=["in_memory", "prometheus"])
def metered(request: pytest.FixtureRequest) -> Metered:
    if request.param == "in_memory":
        fake = Counts()
        return Metered(
            fake,
            lambda name, labels: fake.seen[labelled(name, labels)],
            lambda name: fake.seen[name],
            lambda name, labels: fake.gauges[labelled(name, labels)],
        )
    registry = CollectorRegistry()

    def sample(name: str, labels: dict[str, str]) -> float:
        return registry.get_sample_value(f"messaging_{name}", labels) or 0.0

    return Metered(
        PrometheusTelemetry(registry=registry),
        lambda name, labels: sample(f"{name}_total", labels),
        lambda name: sample(f"{name}_count", {"provider": "whatsapp_cloud"}),
        sample,
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
