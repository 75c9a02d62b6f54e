"""An administrator's key opens while it is in force, and no change locks all administrators out by accident."""

from datetime import timedelta
from uuid import UUID

import pytest

from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import KeyId
from messaging.domain.tenants.admin_key import AdminKey, require_force
from tests.builders import NOON, an_admin_key

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
LASTING = an_admin_key()
OTHER = an_admin_key(id=KeyId(UUID(int=2)))
WEEK = an_admin_key(id=KeyId(UUID(int=3)), expires_at=NOON + 7 * DAY)
TODAY = an_admin_key(id=KeyId(UUID(int=4)), expires_at=NOON + DAY)


@pytest.mark.parametrize(
    ("key", "opens"),
    [
        (LASTING, True),
        (an_admin_key(expires_at=NOON + SECOND), True),
        (an_admin_key(expires_at=NOON), False),
        (an_admin_key(expires_at=NOON - SECOND), False),
        (an_admin_key(revoked_at=NOON), False),
        (an_admin_key(revoked_at=NOON, expires_at=NOON + SECOND), False),
    ],
)
def test_a_key_opens_with_its_secret_until_it_expires_or_is_revoked(key: AdminKey, opens: bool) -> None:
    assert key.opens_with("secret", now=NOON) is opens
    assert not key.opens_with("Secret", now=NOON)


def reasons(before: list[AdminKey], after: list[AdminKey], *, own: bool = False) -> list[str]:
    try:
        require_force(before, after, own=own)
    except DomainError as refused:
        return [violation.code for violation in refused.violations]
    return []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([LASTING, OTHER], [OTHER]),
        ([LASTING, TODAY], [LASTING]),
        ([WEEK, TODAY], [WEEK]),
        ([WEEK], [WEEK, TODAY]),
        ([TODAY], [WEEK]),
        ([TODAY], [LASTING]),
    ],
)
def test_what_leaves_a_key_that_lasts_as_long_needs_no_force(before: list[AdminKey], after: list[AdminKey]) -> None:
    assert reasons(before, after) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([LASTING], []),
        ([TODAY], []),
        ([LASTING, WEEK], [WEEK]),
        ([WEEK, TODAY], [TODAY]),
    ],
)
def test_what_lets_the_last_key_end_sooner_needs_force(before: list[AdminKey], after: list[AdminKey]) -> None:
    assert reasons(before, after) == ["last_admin_key"]


def test_every_reason_is_told() -> None:
    assert reasons([LASTING, OTHER], [OTHER], own=True) == ["own_admin_key"]
    assert reasons([LASTING], [], own=True) == ["last_admin_key", "own_admin_key"]
