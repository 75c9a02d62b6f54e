"""May free-form content be sent to this person now?"""

from datetime import timedelta

import pytest

from messaging.domain.conversations.window import MARGIN, is_open
from tests.builders import NOON

DAY = timedelta(hours=24)


def test_a_person_who_never_wrote_opens_nothing() -> None:
    assert not is_open(None, now=NOON)


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(0), True),
        (timedelta(hours=23), True),
        (DAY - MARGIN - timedelta(seconds=1), True),
        (DAY - MARGIN, False),
        (DAY, False),
        (timedelta(days=30), False),
        # The provider's clock may be ahead of ours.
        (timedelta(seconds=-30), True),
    ],
)
def test_the_window_is_open_for_a_day_less_a_margin(ago: timedelta, expected: bool) -> None:
    assert is_open(NOON - ago, now=NOON) is expected
