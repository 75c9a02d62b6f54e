"""When may a message leave, how urgent is it, and how long is it good for?"""

from datetime import datetime, timedelta

import pytest

from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import (
    Category,
    Priority,
    default_priority,
    expiry_or_default,
    timing_violations,
)
from tests.builders import NOON

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def at(offset: timedelta | None) -> datetime | None:
    return None if offset is None else NOON + offset


@pytest.mark.parametrize(
    ("send_at", "expires_at"),
    [
        (None, None),
        (-DAY, None),
        (90 * DAY, None),
        (None, SECOND),
        (None, 30 * DAY),
        (DAY, DAY + SECOND),
        (DAY, 31 * DAY),
        (-DAY, 30 * DAY),
    ],
)
def test_sensible_times_are_accepted(send_at: timedelta | None, expires_at: timedelta | None) -> None:
    assert timing_violations(now=NOON, send_at=at(send_at), expires_at=at(expires_at)) == ()


@pytest.mark.parametrize(
    ("send_at", "expires_at", "codes"),
    [
        (365 * DAY, None, ["send_at_too_far"]),
        (90 * DAY + SECOND, None, ["send_at_too_far"]),
        (None, -SECOND, ["expires_at_past"]),
        (None, 0 * DAY, ["expires_at_past"]),
        (DAY, DAY, ["expires_before_send"]),
        (2 * DAY, DAY, ["expires_before_send"]),
        (None, 30 * DAY + SECOND, ["expires_at_too_far"]),
        (DAY, 31 * DAY + SECOND, ["expires_at_too_far"]),
        (365 * DAY, DAY, ["send_at_too_far", "expires_before_send"]),
        (365 * DAY, -DAY, ["send_at_too_far", "expires_at_past"]),
    ],
)
def test_times_that_make_no_sense_are_all_listed(
    send_at: timedelta | None, expires_at: timedelta | None, codes: list[str]
) -> None:
    found = timing_violations(now=NOON, send_at=at(send_at), expires_at=at(expires_at))

    assert [violation.code for violation in found] == codes


@pytest.mark.parametrize("category", list(Category))
def test_a_code_expires_by_itself_and_other_messages_do_not(category: Category) -> None:
    expected = NOON + timedelta(minutes=10) if category is Category.AUTHENTICATION else None

    assert expiry_or_default(Channel.WHATSAPP, category, leaves_at=NOON, expires_at=None) == expected


def test_a_code_is_good_for_longer_where_servers_make_mail_wait() -> None:
    expires_at = expiry_or_default(Channel.EMAIL, Category.AUTHENTICATION, leaves_at=NOON, expires_at=None)

    assert expires_at == NOON + timedelta(minutes=30)


@pytest.mark.parametrize("category", list(Category))
def test_an_expiry_that_was_asked_for_is_kept(category: Category) -> None:
    assert expiry_or_default(Channel.SMS, category, leaves_at=NOON, expires_at=NOON + DAY) == NOON + DAY


def test_codes_go_first_and_campaigns_last() -> None:
    assert [default_priority(category) for category in Category] == [
        Priority.DEFAULT,
        Priority.CRITICAL,
        Priority.LOW,
        Priority.HIGH,
    ]
