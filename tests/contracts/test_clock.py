"""The clock and the ids of tests and those of the processes can stand in for each other."""

from datetime import UTC

import pytest

from messaging.application.ports.clock import Clock, NewId
from messaging.entrypoints.composition.clock import SystemClock, new_id
from tests.fakes.clock import FixedClock, SequentialIds


@pytest.mark.parametrize("clock", [FixedClock(), SystemClock()], ids=["fixed", "system"])
def test_the_time_is_that_of_utc_and_never_runs_back(clock: Clock) -> None:
    first, second = clock.now(), clock.now()

    assert first.tzinfo is UTC
    assert first <= second


@pytest.mark.parametrize("new", [SequentialIds(), new_id], ids=["sequential", "uuid7"])
def test_every_id_is_another_and_sorts_behind_those_before(new: NewId) -> None:
    ids = [new() for _ in range(100)]

    assert ids == sorted(set(ids))
    assert {(id.version, id.variant) for id in ids} == {(7, "specified in RFC 4122")}
