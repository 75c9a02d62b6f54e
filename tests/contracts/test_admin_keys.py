"""The fake and Postgres keep the keys of the platform's administrators alike."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.ports.admin_keys import AdminKeys
from messaging.domain.shared.ids import KeyId
from tests.builders import KEY, NOON, an_admin_key
from tests.fakes.admin_keys import InMemoryAdminKeys

SECOND = timedelta(seconds=1)
FIRST = an_admin_key()
OTHER = an_admin_key(
    id=KeyId(UUID("019df2d9-4c00-7000-8000-0000000000ff")), public_id="other", expires_at=NOON + SECOND
)
NOBODY = KeyId(UUID("019df2d9-4c00-7000-8000-0000000000fe"))


@pytest.fixture(params=["in_memory", "postgres"])
async def keys(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[AdminKeys]:
    """With two in it, the second one expiring."""
    if request.param == "in_memory":
        yield InMemoryAdminKeys(FIRST, OTHER)
        return
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        await uow.admin_keys.add(OTHER)
        await uow.admin_keys.add(FIRST)
        yield uow.admin_keys


async def test_a_key_is_found_as_it_was_added(keys: AdminKeys) -> None:
    assert await keys.find(KEY) == FIRST
    assert await keys.find(OTHER.id) == OTHER
    assert await keys.find(NOBODY) is None


async def test_keys_are_listed_newest_first(keys: AdminKeys) -> None:
    assert list(await keys.page(before=None, limit=9)) == [OTHER, FIRST]
    assert list(await keys.page(before=None, limit=1)) == [OTHER]
    assert list(await keys.page(before=OTHER.id, limit=9)) == [FIRST]


async def test_those_that_work_are_neither_revoked_nor_expired(keys: AdminKeys) -> None:
    assert list(await keys.lock_working(at=NOON)) == [FIRST, OTHER]
    assert list(await keys.lock_working(at=NOON + SECOND)) == [FIRST]

    await keys.revoke(KEY, at=NOON)

    assert list(await keys.lock_working(at=NOON)) == [OTHER]
    assert list(await keys.page(before=None, limit=9)) == [OTHER, replace(FIRST, revoked_at=NOON)]


async def test_a_key_is_revoked_once(keys: AdminKeys) -> None:
    revoked = await keys.revoke(KEY, at=NOON)
    again = await keys.revoke(KEY, at=NOON + SECOND)

    assert revoked == again == replace(FIRST, revoked_at=NOON)
    assert await keys.revoke(NOBODY, at=NOON) is None


async def test_a_key_is_given_an_end(keys: AdminKeys) -> None:
    ended = await keys.end(KEY, at=NOON + SECOND)

    assert ended == await keys.find(KEY) == replace(FIRST, expires_at=NOON + SECOND)
    assert await keys.end(NOBODY, at=NOON) is None
