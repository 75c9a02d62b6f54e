"""How does the pace of a sender follow the provider's complaints?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.messages.pacing.pace import FLOOR, LOWERED, RECOVERY, Pace, factor_at, slow_down

NOW = 1_000.0


def test_a_complaint_lowers_the_pace_and_stops_it_as_long_as_told() -> None:
    pace = slow_down(Pace(), wait=7, began=NOW, now=NOW)

    assert factor_at(pace, NOW) == LOWERED
    assert pace.paused_until == NOW + 7


def test_once_the_pause_is_over_it_is_soon_back_near_the_pace_that_was_complained_about() -> None:
    pace = slow_down(Pace(), wait=7, began=NOW, now=NOW)
    over = NOW + 7

    assert factor_at(pace, over) == pytest.approx(LOWERED)
    assert factor_at(pace, over + RECOVERY / 2) > 0.95
    assert factor_at(pace, over + RECOVERY) == 1.0


def test_it_lingers_around_that_pace_and_then_finds_out_faster_and_faster_whether_there_is_more() -> None:
    pace = Pace(factor=0.2, ceiling=0.3, lowered_at=NOW)

    assert [round(factor_at(pace, NOW + RECOVERY * part), 2) for part in (0.5, 1, 1.5, 2, 2.5, 3)] == [
        *(0.29, 0.3, 0.31),
        *(0.4, 0.64, 1.0),
    ]


def test_a_complaint_below_the_last_one_tells_that_there_is_less() -> None:
    pace = slow_down(Pace(), wait=1, began=NOW, now=NOW)

    again = slow_down(pace, wait=1, began=NOW + 1, now=NOW + 1)

    assert again.factor == pytest.approx(LOWERED**2)
    assert again.factor < again.ceiling < LOWERED


def test_complaints_about_what_was_under_way_lower_it_once() -> None:
    pace = slow_down(Pace(), wait=1, began=NOW - 1, now=NOW)
    for _ in range(60):
        pace = slow_down(pace, wait=3, began=NOW - 0.5, now=NOW + 0.1)
    pace = slow_down(pace, wait=1, began=NOW + 0.2, now=NOW + 0.3)

    assert factor_at(pace, NOW) == LOWERED
    assert pace.paused_until == NOW + 3.1


@pytest.mark.parametrize("capacity", [0.1, 0.28, 0.6])
def test_where_the_limit_is_lower_than_declared_most_of_it_is_used_and_complaints_are_few(capacity: float) -> None:
    pace, sent, complaints = Pace(), 0.0, 0
    for tick in range(6000):
        now = NOW + tick / 100
        if now < pace.paused_until:
            continue
        if factor_at(pace, now) > capacity:
            pace, complaints = slow_down(pace, wait=1, began=now, now=now), complaints + 1
        else:
            sent += factor_at(pace, now) / 100

    assert sent > 0.6 * 60 * capacity
    assert complaints < 15


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
