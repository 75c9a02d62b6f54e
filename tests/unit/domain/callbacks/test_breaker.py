"""When an endpoint's callbacks stop, how it is probed, and how they come back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from messaging.domain.callbacks.breaker import (
    BreakerState,
    Exchange,
    Health,
    after,
    allowance,
    probe_wait,
    recovered,
)
from tests.builders import NOON

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
OK, BAD = Exchange(succeeded=True), Exchange(succeeded=False)
OPEN = Health(breaker=BreakerState.OPEN, failures=5, opened_at=NOON - MINUTE, first_failure_at=NOON - MINUTE)
HALF_OPEN = Health(breaker=BreakerState.HALF_OPEN, opened_at=NOON, probes=3, last_success_at=NOON)


def test_five_failures_in_a_row_open_it() -> None:
    four = after(Health(), [BAD] * 4, now=NOON)
    five = after(four, [BAD], now=NOON + SECOND)

    assert four == Health(failures=4, first_failure_at=NOON)
    assert five == Health(breaker=BreakerState.OPEN, failures=5, opened_at=NOON + SECOND, first_failure_at=NOON)


def test_a_success_between_begins_the_count_anew() -> None:
    health = after(Health(), [BAD, BAD, BAD, OK, BAD, BAD], now=NOON)

    assert health == Health(failures=2, last_success_at=NOON, first_failure_at=NOON)


def test_failures_of_one_callback_alone_do_not_open_it() -> None:
    health = after(Health(), [Exchange(succeeded=False, tries=n) for n in range(1, 10)], now=NOON)
    assert health.breaker is BreakerState.CLOSED

    assert after(health, [BAD], now=NOON).breaker is BreakerState.OPEN


@pytest.mark.parametrize(
    ("lately", "breaker"),
    [
        ([True, False] * 10, BreakerState.OPEN),
        ([True, False] * 9, BreakerState.CLOSED),
        ([True] * 11 + [False] * 9, BreakerState.CLOSED),
    ],
)
def test_half_of_a_minutes_exchanges_failing_opens_it(lately: list[bool], breaker: BreakerState) -> None:
    assert after(Health(), [OK, BAD], now=NOON, lately=lately).breaker is breaker


def test_a_failed_probe_keeps_it_open_and_a_good_one_opens_it_half() -> None:
    failed = after(OPEN, [Exchange(succeeded=False, probe=True), BAD], now=NOON)
    good = after(OPEN, [OK], now=NOON)

    assert failed == replace(OPEN, failures=7, probes=1)
    assert good == Health(breaker=BreakerState.HALF_OPEN, opened_at=NOON, last_success_at=NOON)


def test_any_failure_opens_a_half_open_one_and_its_probes_go_on_where_they_were() -> None:
    health = after(HALF_OPEN, [OK, BAD], now=NOON + SECOND)

    assert (health.breaker, health.opened_at, health.probes) == (BreakerState.OPEN, NOON + SECOND, 3)


def test_probes_come_ever_more_slowly() -> None:
    waits = [probe_wait(replace(OPEN, probes=n), chance=0.5) for n in range(9)]

    assert [wait.total_seconds() for wait in waits] == [15, 30, 60, 120, 300, 600, 900, 900, 900]


@given(probes=st.integers(0, 1_000), chance=st.floats(0, 1))
def test_a_probe_is_never_later_than_a_quarter_of_an_hour(probes: int, chance: float) -> None:
    assert 12 * SECOND <= probe_wait(replace(OPEN, probes=probes), chance=chance) <= 15 * MINUTE


def test_what_may_be_under_way_doubles_every_second() -> None:
    allowed = [allowance(HALF_OPEN, max_in_flight=12, now=NOON + n * SECOND) for n in range(-1, 6)]

    assert allowed == [1, 1, 2, 4, 8, 12, 12]
    assert allowance(OPEN, max_in_flight=12, now=NOON) == 1
    assert allowance(Health(), max_in_flight=12, now=NOON) == 12


def test_it_closes_when_it_allows_as_many_as_the_endpoint_may_have() -> None:
    early = recovered(HALF_OPEN, max_in_flight=4, now=NOON + SECOND)
    later = recovered(HALF_OPEN, max_in_flight=4, now=NOON + 2 * SECOND)

    assert early == HALF_OPEN
    assert later == Health(last_success_at=NOON)
    assert recovered(OPEN, max_in_flight=1, now=NOON) == OPEN
