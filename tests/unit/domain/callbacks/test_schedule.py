"""How long a callback waits between its attempts, and when the last one is made."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.callbacks.schedule import (
    JITTER,
    LONGEST_THROTTLE,
    WAITS,
    WINDOWS,
    TryAgain,
    next_attempt,
    throttled_until,
)
from messaging.domain.shared.mode import Mode
from tests.builders import NOON

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

modes = st.sampled_from([Mode.LIVE, Mode.TEST])
chances = st.floats(0, 1)


@pytest.mark.parametrize(
    ("mode", "seconds"),
    [
        (Mode.LIVE, [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 29_845]),
        (Mode.TEST, [5, 30, 120]),
    ],
)
def test_the_waits_add_up_to_the_window(mode: Mode, seconds: list[int]) -> None:
    at, step, waits, ends = NOON, 0, [], NOON + WINDOWS[mode]

    while again := next_attempt(mode, step=step, now=at, window_ends_at=ends, chance=0.5):
        waits.append((again.at - at).total_seconds())
        at, step = again.at, again.step

    assert waits == seconds
    assert at == ends


@given(mode=modes, chance=chances, step=st.integers(0, 8))
def test_a_wait_varies_by_a_tenth_to_both_sides(mode: Mode, chance: float, step: int) -> None:
    if step >= len(WAITS[mode]):
        return
    plain = WAITS[mode][step]

    again = next_attempt(mode, step=step, now=NOON, window_ends_at=NOON + 30 * DAY, chance=chance)

    assert again is not None
    assert plain * (1 - JITTER) - SECOND <= again.at - NOON <= plain * (1 + JITTER) + SECOND


# What becomes of an attempt: how long it took, chance, and the pause that the receiver asked for, if it did.
tries = st.tuples(
    st.timedeltas(timedelta(0), 15 * SECOND), chances, st.none() | st.timedeltas(timedelta(0), 2 * DAY), st.booleans()
)


@given(mode=modes, created_late=st.timedeltas(timedelta(0), HOUR), history=st.lists(tries, max_size=200))
def test_the_last_attempt_begins_with_the_end_of_the_window(
    mode: Mode,
    created_late: timedelta,
    history: list[tuple[timedelta, float, timedelta | None, bool]],
) -> None:
    ends, began, step = NOON + WINDOWS[mode], NOON + min(created_late, WINDOWS[mode]), 0

    for took, chance, pause, uses_step in [*history, *[(SECOND, 0.5, None, True)] * 11]:
        failed_at = began + took
        again = next_attempt(
            *(mode,),
            step=step,
            now=failed_at,
            window_ends_at=ends,
            chance=chance,
            at_least=pause or timedelta(0),
            uses_step=uses_step or pause is None,
        )
        if again is None:
            break
        assert again.at <= ends
        held = failed_at if pause is None else throttled_until(now=failed_at, retry_after=pause, window_ends_at=ends)
        began, step = max(again.at, held), again.step
    else:
        pytest.fail("it never ended")

    assert ends - 15 * SECOND <= began <= ends + 15 * MINUTE


@given(mode=modes, chosen=st.lists(chances, min_size=10, max_size=10))
def test_waits_never_shrink_but_for_the_end_of_the_window(mode: Mode, chosen: list[float]) -> None:
    at, step, last, ends = NOON, 0, timedelta(0), NOON + WINDOWS[mode]

    for chance in chosen:
        again = next_attempt(mode, step=step, now=at, window_ends_at=ends, chance=chance)
        if again is None:
            break
        assert again.at - at >= last or again.at == ends
        last, at, step = again.at - at, again.at, again.step


def test_a_callback_that_became_the_first_of_its_subject_after_its_window_has_one_attempt() -> None:
    assert next_attempt(Mode.LIVE, step=0, now=NOON, window_ends_at=NOON - HOUR, chance=0.5) is None


def test_an_attempt_that_uses_no_step_is_made_again_after_the_same_wait() -> None:
    ends = NOON + DAY

    assert next_attempt(
        Mode.LIVE, step=2, now=NOON, window_ends_at=ends, chance=0.5, at_least=MINUTE, uses_step=False
    ) == TryAgain(NOON + 2 * MINUTE, 2)


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        (timedelta(0), SECOND),
        (30 * SECOND, 30 * SECOND),
        (5 * HOUR, LONGEST_THROTTLE),
    ],
)
def test_a_receiver_may_hold_its_endpoint_back_for_an_hour(asked: timedelta, held: timedelta) -> None:
    assert throttled_until(now=NOON, retry_after=asked, window_ends_at=NOON + DAY) == NOON + held


def test_but_not_past_the_end_of_the_window() -> None:
    def until(ends: datetime) -> datetime:
        return throttled_until(now=NOON, retry_after=HOUR, window_ends_at=ends)

    assert until(NOON + 10 * MINUTE) == NOON + 10 * MINUTE
    assert until(NOON - MINUTE) == NOON + SECOND
