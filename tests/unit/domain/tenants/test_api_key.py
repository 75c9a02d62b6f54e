"""Does a key open the door with its secret, and only while it is in force?"""

from datetime import timedelta

import pytest

from messaging.domain.tenants.tenant import ApiKey
from tests.builders import NOON, an_api_key

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "key",
    [an_api_key(), an_api_key(expires_at=NOON + SECOND)],
)
def test_a_key_in_force_opens_with_its_secret(key: ApiKey) -> None:
    assert key.opens_with("secret", now=NOON)


@pytest.mark.parametrize("secret", ["", "Secret", "secret ", "secre", "sécret"])
def test_a_key_opens_with_no_other_secret(secret: str) -> None:
    assert not an_api_key().opens_with(secret, now=NOON)


@pytest.mark.parametrize(
    "key",
    [
        an_api_key(expires_at=NOON),
        an_api_key(expires_at=NOON - SECOND),
        an_api_key(revoked_at=NOON - SECOND),
        an_api_key(revoked_at=NOON, expires_at=NOON + SECOND),
    ],
)
def test_a_key_that_is_revoked_or_expired_stays_shut(key: ApiKey) -> None:
    assert not key.opens_with("secret", now=NOON)
