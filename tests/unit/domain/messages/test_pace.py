"""How does the pace of a sender follow the provider's complaints?"""

from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.messages.pace import FLOOR, REGAINED, Pace, factor_at, slow_down

NOW = 1_000.0


def test_a_complaint_halves_the_pace_and_stops_it_as_long_as_told() -> None:
    pace = slow_down(Pace(), wait=7, began=NOW, now=NOW)

    assert factor_at(pace, NOW) == 0.5
    assert pace.paused_until == NOW + 7


def test_it_recovers_little_by_little_once_the_pause_is_over() -> None:
    pace = slow_down(Pace(), wait=7, began=NOW, now=NOW)

    assert factor_at(pace, NOW + 7) == 0.5
    assert factor_at(pace, NOW + 11) == 0.5 + 4 * REGAINED
    assert factor_at(pace, NOW + 60) == 1.0


def test_complaints_about_what_was_under_way_lower_it_once() -> None:
    pace = slow_down(Pace(), wait=1, began=NOW - 1, now=NOW)
    for _ in range(60):
        pace = slow_down(pace, wait=3, began=NOW - 0.5, now=NOW + 0.1)
    pace = slow_down(pace, wait=1, began=NOW + 0.2, now=NOW + 0.3)

    assert factor_at(pace, NOW) == 0.5
    assert pace.paused_until == NOW + 3.1


def test_a_complaint_after_the_pause_lowers_it_again() -> None:
    pace = slow_down(Pace(), wait=1, began=NOW, now=NOW)

    pace = slow_down(pace, wait=1, began=NOW + 1, now=NOW + 1)

    assert factor_at(pace, NOW + 2) == 0.25


def test_a_shorter_wait_does_not_end_a_longer_pause() -> None:
    pace = slow_down(slow_down(Pace(), wait=60, began=NOW, now=NOW), wait=1, began=NOW + 1, now=NOW + 1)

    assert pace.paused_until == NOW + 60


@given(steps=st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60))
def test_it_stays_between_floor_and_full_and_only_complaints_lower_it(steps: list[tuple[float, bool]]) -> None:
    pace, now = Pace(), NOW
    for seconds, complains in steps:
        before, now = factor_at(pace, now), now + seconds
        assert factor_at(pace, now) >= before
        if complains:
            pace = slow_down(pace, wait=1, began=now, now=now)
        assert FLOOR <= factor_at(pace, now) <= 1.0
