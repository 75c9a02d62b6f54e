"""A message after a change, as the process that wrote the change knows it without reading it again."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from messaging.domain.messages.change import AttemptOpened, AttemptUpdated, Change, Entry
from messaging.domain.messages.message_state import LastAttempt, Outcome, Phase
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.projection import project
from tests.builders import NOON, WAMID, a_state, an_attempt

LATER = NOON + timedelta(seconds=2)
LEASE = timedelta(seconds=30)


def a_change(*attempt: AttemptOpened | AttemptUpdated, **changes: Any) -> Change:
    """A cancellation with this news of attempts, unless told otherwise."""
    return replace(lifecycle.cancel(a_state(), by="key_1"), attempt=attempt, **changes)


def last(attempt: LastAttempt | None, *news: AttemptOpened | AttemptUpdated) -> LastAttempt | None:
    return project(a_state(attempt=attempt), a_change(*news), now=LATER).attempt


def updated(**changes: Any) -> AttemptUpdated:
    fields: dict[str, Any] = {"epoch": 1, "phase": Phase.CLOSED}
    return AttemptUpdated(**(fields | changes))


def test_a_message_is_where_its_change_leads() -> None:
    told = Entry(type="told", state=State.CANCELLED)
    change = a_change(epoch=3, attempts=4, checks=5, claim_failures=6, entries=(told, told))

    found = project(a_state(seq=7), replace(change, expected_seq=7), now=LATER)

    assert (found.state, found.seq, found.epoch, found.now) == (State.CANCELLED, 9, 3, LATER)
    assert (found.attempts, found.checks, found.claim_failures) == (4, 5, 6)


@pytest.mark.parametrize(
    ("before", "told", "after"), [(False, False, False), (True, False, True), (False, True, True), (True, True, True)]
)
def test_a_possible_duplicate_stays_one(before: bool, told: bool, after: bool) -> None:
    found = project(a_state(possible_duplicate=before), a_change(possible_duplicate=told), now=LATER)

    assert found.possible_duplicate is after


def test_an_opened_attempt_takes_the_place_of_the_last() -> None:
    opened = AttemptOpened(epoch=2, lease_owner="w2", lease=LEASE)

    assert last(an_attempt(), opened) == LastAttempt(
        epoch=2, phase=Phase.CLAIMED, outcome=None, lease_owner="w2", lease_live=True
    )


def test_an_attempt_that_may_be_forgotten_is_unclear_and_nobodys() -> None:
    forgotten = AttemptOpened(epoch=2, lease_owner="failover", lease=timedelta(0), forgotten=True)

    assert last(an_attempt(), forgotten) == LastAttempt(
        epoch=2, phase=Phase.UNKNOWN, outcome=Outcome.UNKNOWN, lease_owner="failover", lease_live=False
    )


def test_a_start_is_dated() -> None:
    found = last(an_attempt(), updated(phase=Phase.STARTED))
    assert found is not None
    assert (found.phase, found.started_at) == (Phase.STARTED, LATER)

    kept = last(replace(found, started_at=NOON), updated(outcome=Outcome.ACCEPTED))
    assert kept is not None
    assert (kept.outcome, kept.started_at) == (Outcome.ACCEPTED, NOON)


def test_what_is_not_told_stays_known() -> None:
    known = an_attempt(outcome=Outcome.UNKNOWN, provider_message_id=WAMID, http_status=200)

    found = last(known, updated(phase=Phase.UNKNOWN))
    assert found == replace(known, phase=Phase.UNKNOWN)

    told = last(known, updated(outcome=Outcome.REJECTED, provider_message_id="wamid.2", http_status=400))
    assert told == replace(
        known, phase=Phase.CLOSED, outcome=Outcome.REJECTED, provider_message_id="wamid.2", http_status=400
    )


def test_an_acceptance_is_not_taken_back() -> None:
    accepted = an_attempt(phase=Phase.CLOSED, outcome=Outcome.ACCEPTED)

    assert last(accepted, updated(phase=Phase.UNKNOWN, outcome=Outcome.UNKNOWN)) == accepted


def test_news_of_another_attempt_is_not_about_the_last() -> None:
    assert last(an_attempt(), updated(epoch=2)) == an_attempt()
    assert last(None, updated()) is None
