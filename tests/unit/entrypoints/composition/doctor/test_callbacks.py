"""What the doctor says of callbacks."""

from typing import Any

from messaging.application.ports.callbacks.delivering.depths import CallbackDepths
from messaging.entrypoints.composition.doctor.finding import Severity
from messaging.entrypoints.composition.doctor.traffic.callbacks import judge


def depths(**changes: Any) -> CallbackDepths:
    fields: dict[str, Any] = {
        "lanes": {"closed": 3, "open": 2, "half_open": 0},
        "slow": 2,
        "due": 0,
        "held": 0,
        "oldest_due": 0.0,
        "oldest_pending": 0.0,
    }
    return CallbackDepths(**(fields | changes))


def test_what_leaves_in_time_is_fine() -> None:
    [finding] = judge(depths(due=70, oldest_due=4.0, oldest_pending=1.0))

    assert (finding.severity, finding.detail) == (Severity.OK, "none is late; 2 endpoints do not answer and are probed")


def test_what_nobody_takes_up_fails_and_names_the_process() -> None:
    [finding] = judge(depths(due=70, oldest_due=61.0, oldest_pending=3_000.0))

    assert finding.severity is Severity.FAILED
    assert finding.detail == (
        "events wait to be fanned out for 3000 s; 70 callbacks are due, the oldest endpoint for 61 s"
    )
    assert "app callbacks" in (finding.mend or "")


def test_what_is_held_is_worth_a_look() -> None:
    [finding] = judge(depths(held=12))

    assert (finding.severity, finding.detail) == (Severity.WARNING, "12 are held for endpoints not enabled")
