"""Two changes of administrators' keys at once: the second one is decided upon what the first one left."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.access.admin_keys import RevokeAdminKey
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import KeyId
from tests.builders import KEY, NOON, an_admin_key
from tests.unit.application.webhooks.doubles import FixedClock

OTHER = KeyId(UUID("019df2d9-4c00-7000-8000-0000000000ff"))
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%admin_keys%'
"""


async def test_of_two_revocations_at_once_of_the_last_two_keys_one_is_refused(engines: Engines, database: str) -> None:
    first, second = PostgresSystemUnitOfWorkFactory(engines.system), PostgresSystemUnitOfWorkFactory(engines.system)
    async with first() as uow:
        await uow.admin_keys.add(an_admin_key())
        await uow.admin_keys.add(an_admin_key(id=OTHER, public_id="other"))
        await uow.commit()

    async with first() as uow:
        assert len(await uow.admin_keys.lock_working(at=NOON)) == 2
        revocation = asyncio.create_task(RevokeAdminKey(open_system_uow=second, clock=FixedClock())(KEY))
        await _waits_for_a_lock(database)
        await uow.admin_keys.revoke(OTHER, at=NOON)
        await uow.commit()

    with pytest.raises(DomainError) as refused:
        await revocation
    assert [violation.code for violation in refused.value.violations] == ["last_admin_key"]


async def _waits_for_a_lock(database: str) -> None:
    onlooker = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(60):
            while not await onlooker.fetchval(WAITING):
                await asyncio.sleep(0.01)
    finally:
        await onlooker.close()
