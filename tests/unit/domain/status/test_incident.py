"""The life of an incident, and its clock."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from messaging.domain.shared.errors import DomainError
from messaging.domain.status.incident import MOST_UPDATES, Incident, IncidentStatus
from tests.builders import NOON
from tests.incidents import FIRST

HOUR = timedelta(hours=1)
PUBLISHED = FIRST.published(now=NOON + HOUR)
RESOLVED = PUBLISHED.resolved("Over.", now=NOON + 2 * HOUR)


def test_a_draft_is_told_when_it_is_published() -> None:
    assert [update.at for update in PUBLISHED.updates] == [NOON + HOUR]
    assert (PUBLISHED.status, PUBLISHED.published_at) == (IncidentStatus.PUBLISHED, NOON + HOUR)


def test_an_incident_is_to_be_explained_within_two_days_of_its_end() -> None:
    due_at = NOON + 50 * HOUR
    explained = RESOLVED.explained("Why.", now=NOON + 51 * HOUR)

    assert (PUBLISHED.post_mortem_due_at, RESOLVED.post_mortem_due_at) == (None, due_at)
    assert [RESOLVED.is_overdue(due_at - HOUR), RESOLVED.is_overdue(due_at)] == [False, True]
    assert not explained.is_overdue(due_at)
    assert not PUBLISHED.is_overdue(due_at)
    assert explained.explained("Better.", now=NOON + 60 * HOUR).post_mortem_at == NOON + 51 * HOUR


@pytest.mark.parametrize(
    ("incident", "step"),
    [
        (PUBLISHED, lambda it: it.published(now=NOON)),
        (RESOLVED, lambda it: it.published(now=NOON)),
        (FIRST, lambda it: it.told("More.", now=NOON)),
        (RESOLVED, lambda it: it.told("More.", now=NOON)),
        (FIRST, lambda it: it.resolved("Over.", now=NOON)),
        (RESOLVED, lambda it: it.resolved("Over.", now=NOON)),
        (FIRST, lambda it: it.explained("Why.", now=NOON)),
        (PUBLISHED, lambda it: it.explained("Why.", now=NOON)),
    ],
)
def test_no_step_is_left_out_or_taken_twice(incident: Incident, step: Callable[[Incident], Incident]) -> None:
    with pytest.raises(DomainError) as refused:
        step(incident)

    assert refused.value.code == "state_conflict"


def test_an_incident_does_not_grow_without_end() -> None:
    long = PUBLISHED
    for _ in range(MOST_UPDATES - 1):
        long = long.told("More.", now=NOON)

    with pytest.raises(DomainError):
        long.told("Too much.", now=NOON)
    assert long.resolved("Over.", now=NOON).resolved_at == NOON
