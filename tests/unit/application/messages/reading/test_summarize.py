"""Counts of a range: which range is meant, and how they are summed up."""

from datetime import datetime, timedelta

import pytest

from messaging.application.messages.reading.summarize import MAX_REASONS, MessageSummaryView, SummaryWanted
from messaging.application.ports.records import CountedRange, MessageCounts
from messaging.domain.messages.state import State
from messaging.domain.shared.errors import DomainError
from tests.builders import NOON

HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
Found = dict[tuple[State, str | None], int]
RANGE = CountedRange(created_after=NOON - DAY, created_before=NOON)


@pytest.mark.parametrize(
    ("after", "before", "counted"),
    [
        (None, None, (NOON - DAY, NOON)),
        (None, NOON - DAY, (NOON - 2 * DAY, NOON - DAY)),
        (NOON - HOUR, None, (NOON - HOUR, NOON)),
        (NOON - 31 * DAY, None, (NOON - 31 * DAY, NOON)),
        (NOON - SECOND, NOON, (NOON - SECOND, NOON)),
    ],
)
def test_a_range_ends_now_and_is_a_day_long_unless_told_otherwise(
    after: datetime | None, before: datetime | None, counted: tuple[datetime, datetime]
) -> None:
    found = SummaryWanted(created_after=after, created_before=before).range(NOON)

    assert (found.created_after, found.created_before) == counted


@pytest.mark.parametrize(
    ("after", "before", "detail"),
    [
        (NOON, NOON, "ends before it begins"),
        (NOON + HOUR, None, "ends before it begins"),
        (NOON - 31 * DAY - SECOND, None, "at most 31 days"),
    ],
)
def test_a_range_that_is_none_or_too_long_is_refused(after: datetime, before: datetime | None, detail: str) -> None:
    with pytest.raises(DomainError) as refused:
        SummaryWanted(created_after=after, created_before=before).range(NOON)

    assert detail in refused.value.violations[0].detail


def test_a_claimed_message_counts_as_queued_and_statuses_come_in_the_order_of_a_life() -> None:
    found = {(State.READ, None): 5, (State.CLAIMED, None): 2, (State.QUEUED, None): 1, (State.DEAD, "131026"): 3}

    view = MessageSummaryView.of(RANGE, MessageCounts(found=found, truncated=False, since=NOON - DAY))

    assert view.messages == 11
    assert [(it.status, it.messages) for it in view.by_status] == [("queued", 3), ("read", 5), ("dead", 3)]
    assert [(it.error_code, it.status, it.messages) for it in view.by_reason] == [("131026", "dead", 3)]


def test_the_most_frequent_reasons_come_first_and_no_more_than_can_be_read() -> None:
    found: dict[tuple[State, str | None], int] = {
        (State.FAILED, f"{number:04}"): number for number in range(1, MAX_REASONS + 11)
    }

    view = MessageSummaryView.of(
        RANGE, MessageCounts(found=found | {(State.DEAD, "0005"): 5}, truncated=True, since=NOON)
    )

    assert len(view.by_reason) == MAX_REASONS
    assert [it.messages for it in view.by_reason] == list(range(110, 10, -1))
    assert (view.truncated, view.counted_since) == (True, NOON)


def test_a_reason_is_counted_once_for_all_states_that_read_the_same() -> None:
    found: dict[tuple[State, str | None], int] = {
        (State.QUEUED, "130429"): 2,
        (State.CLAIMED, "130429"): 3,
        (State.FAILED, "130429"): 1,
    }

    view = MessageSummaryView.of(RANGE, MessageCounts(found=found, truncated=False, since=NOON))

    assert [(it.status, it.messages) for it in view.by_reason] == [("queued", 5), ("failed", 1)]


def test_reasons_that_are_as_frequent_come_in_the_order_of_their_codes() -> None:
    found: Found = {(State.FAILED, code): count for code, count in (("b", 2), ("a", 2), ("c", 2), ("z", 3))}

    view = MessageSummaryView.of(RANGE, MessageCounts(found=found, truncated=False, since=NOON))

    assert [it.error_code for it in view.by_reason] == ["z", "a", "b", "c"]
