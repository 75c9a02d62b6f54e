"""Does a process notice, soon and surely, that the configuration it remembers has changed?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.session.engine import Engines, create_engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.unit_of_work import StoreUnavailable, UnitOfWork
from messaging.domain.shared.ids import KeyId
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.tenant import TenantStatus
from tests.builders import (
    ACCOUNT,
    KEY,
    NOON,
    OTHER_TENANT,
    SENDER,
    TEMPLATE,
    TENANT,
    a_rule,
    a_sender,
    a_template,
    a_tenant,
    an_account,
    an_api_key,
    an_endpoint,
)
from tests.conftest import Stoppable
from tests.seeding import seed_other_tenant, seed_tenant

# Well below the second within which a change must be seen.
POLL = 0.02
TOKEN = f"wht_{ACCOUNT}"


@asynccontextmanager
async def watching(engines: Engines) -> AsyncIterator[PostgresSnapshots]:
    snapshots = PostgresSnapshots(engines.system, poll_seconds=POLL)
    watch = asyncio.create_task(snapshots.watch())
    try:
        yield snapshots
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


@pytest.fixture
async def snapshots(engines: Engines) -> AsyncIterator[PostgresSnapshots]:
    await seed_tenant(engines)
    async with watching(engines) as snapshots:
        yield snapshots


async def change(engines: Engines, do: Callable[[UnitOfWork], Awaitable[object]]) -> None:
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        await do(uow)
        await uow.commit()


async def soon(condition: Callable[[], Awaitable[bool]]) -> None:
    """The promised second is not measured here: a loaded machine may take longer to run anything at all."""
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(POLL)


async def test_a_snapshot_holds_the_whole_configuration(engines: Engines, snapshots: PostgresSnapshots) -> None:
    await change(engines, lambda uow: uow.routing_rules.replace_rules([a_rule()]))

    found = await snapshots.tenant(TENANT)

    assert found is not None
    assert found.tenant == a_tenant()
    assert found.accounts == {ACCOUNT: an_account(webhook_token=TOKEN)}
    assert found.senders == {SENDER: a_sender()}
    assert found.templates_of(ACCOUNT) == {("order_update", "en_US"): a_template(id=TEMPLATE)}
    assert found.rules == (a_rule(),)
    assert found.data_keys == (WrappedKey(tenant_id=TENANT, version=1, wrapped=b"wrapped"),)
    assert found.version > 1


async def test_nothing_is_read_twice_while_nothing_changes(snapshots: PostgresSnapshots) -> None:
    first, *others = await asyncio.gather(*(snapshots.tenant(TENANT) for _ in range(5)))

    assert first is not None
    assert all(other is first for other in others)
    assert await snapshots.tenant(TENANT) is first


@pytest.mark.parametrize(
    "do",
    [
        lambda uow: uow.accounts.update_account(an_account(webhook_token=TOKEN, name="changed")),
        lambda uow: uow.senders.update_sender(a_sender(name="changed")),
        lambda uow: uow.reviewed_templates.update_template(a_template(quality="changed")),
        lambda uow: uow.routing_rules.replace_rules([a_rule()]),
    ],
    ids=["account", "sender", "template", "rules"],
)
async def test_every_change_of_configuration_is_seen(
    engines: Engines, snapshots: PostgresSnapshots, do: Callable[[UnitOfWork], Awaitable[object]]
) -> None:
    before = await snapshots.tenant(TENANT)

    await change(engines, do)

    async def seen() -> bool:
        return await snapshots.tenant(TENANT) != before

    await soon(seen)


async def test_a_new_endpoint_is_seen_and_asked_for_without_waiting(
    engines: Engines, snapshots: PostgresSnapshots
) -> None:
    async def heard() -> bool:
        return not snapshots.listening(TENANT, Mode.LIVE)

    await soon(heard)
    await change(engines, lambda uow: uow.callback_endpoints.add(an_endpoint()))

    async def seen() -> bool:
        return snapshots.listening(TENANT, Mode.LIVE)

    await soon(seen)
    assert not snapshots.listening(TENANT, Mode.TEST)
    found = await snapshots.tenant(TENANT)
    assert found is not None
    assert found.endpoints == (an_endpoint(),)


async def test_while_nobody_looks_everybody_is_taken_to_listen(engines: Engines) -> None:
    assert PostgresSnapshots(engines.system).listening(OTHER_TENANT, Mode.TEST)


async def test_a_revoked_key_is_seen(engines: Engines, snapshots: PostgresSnapshots) -> None:
    key = an_api_key()
    await change(engines, lambda uow: uow.api_keys.add_key(key))
    assert await snapshots.api_key(key.public_id) == key

    await change(engines, lambda uow: uow.api_keys.revoke_key(KEY, at=NOON))

    async def revoked() -> bool:
        found = await snapshots.api_key(key.public_id)
        return found is not None and found.revoked_at == NOON

    await soon(revoked)


async def test_a_suspended_tenant_is_seen(engines: Engines, snapshots: PostgresSnapshots) -> None:
    await snapshots.tenant(TENANT)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        await uow.platform.update_tenant(a_tenant(status=TenantStatus.SUSPENDED))
        await uow.commit()

    async def suspended() -> bool:
        found = await snapshots.tenant(TENANT)
        return found is not None and found.tenant.status is TenantStatus.SUSPENDED

    await soon(suspended)


async def test_an_account_is_found_by_its_token_and_its_changes_are_seen(
    engines: Engines, snapshots: PostgresSnapshots
) -> None:
    assert await snapshots.account_by_token(TOKEN) == an_account(webhook_token=TOKEN)

    renamed = an_account(webhook_token=TOKEN, name="changed")
    await change(engines, lambda uow: uow.accounts.update_account(renamed))

    async def seen() -> bool:
        return await snapshots.account_by_token(TOKEN) == renamed

    await soon(seen)


async def test_an_admin_key_is_found(engines: Engines, snapshots: PostgresSnapshots) -> None:
    key = AdminKey(id=KeyId(KEY), public_id="adm1", secret_sha256=bytes(32), name="ops", created_at=NOON)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        await uow.admin_keys.add(key)
        await uow.commit()

    assert await snapshots.admin_key("adm1") == key
    assert await snapshots.admin_key("adm2") is None


async def test_what_did_not_exist_is_found_soon_after_it_does(engines: Engines, snapshots: PostgresSnapshots) -> None:
    assert await snapshots.tenant(OTHER_TENANT) is None
    assert await snapshots.api_key("k3yfzx2m7q4a") is None
    assert await snapshots.account_by_token("nothing") is None

    await seed_other_tenant(engines)

    async def exists() -> bool:
        return await snapshots.tenant(OTHER_TENANT) is not None

    await soon(exists)


async def test_a_change_that_commits_late_is_not_missed(engines: Engines, snapshots: PostgresSnapshots) -> None:
    """Its transaction began before, and ends after, others whose changes the watcher has seen already."""
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as late:
        await late.senders.update_sender(a_sender(name="late"))
        await snapshots.tenant(TENANT)
        await seed_other_tenant(engines)
        other = await snapshots.tenant(OTHER_TENANT)
        async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
            await uow.platform.update_tenant(a_tenant(id=OTHER_TENANT, name="changed"))
            await uow.commit()

        async def others_are_seen() -> bool:
            return await snapshots.tenant(OTHER_TENANT) != other

        await soon(others_are_seen)
        await late.commit()

    async def seen() -> bool:
        found = await snapshots.tenant(TENANT)
        return found is not None and found.senders[SENDER].name == "late"

    await soon(seen)


async def test_without_a_watcher_nothing_old_is_trusted(engines: Engines) -> None:
    await seed_tenant(engines)
    snapshots = PostgresSnapshots(engines.system)
    before = await snapshots.tenant(TENANT)
    await change(engines, lambda uow: uow.senders.update_sender(a_sender(name="changed")))

    async def seen() -> bool:
        return await snapshots.tenant(TENANT) != before

    async with asyncio.timeout(60):
        while not await seen():
            await asyncio.sleep(0.1)


async def test_while_postgres_is_away_answers_end_and_afterwards_they_come_back(stoppable: Stoppable) -> None:
    engines = create_engines(stoppable.database, pool_size=2)
    await seed_tenant(engines)
    async with watching(engines) as snapshots:
        assert await snapshots.tenant(TENANT) is not None
        await stoppable.server.stop()

        with pytest.raises(StoreUnavailable):
            await until_refused(snapshots)
        await stoppable.server.start()

        assert await snapshots.tenant(TENANT) is not None
        before = await snapshots.tenant(TENANT)
        await change(engines, lambda uow: uow.senders.update_sender(a_sender(name="changed")))

        async def seen() -> bool:
            return await snapshots.tenant(TENANT) != before

        await soon(seen)
    await engines.dispose()


async def until_refused(snapshots: PostgresSnapshots) -> None:
    async with asyncio.timeout(60):
        while await snapshots.tenant(TENANT) is not None:
            await asyncio.sleep(POLL)


async def test_the_version_rises_with_every_change_and_only_for_its_tenant(engines: Engines) -> None:
    await seed_tenant(engines)
    await seed_other_tenant(engines)

    async def versions() -> dict[object, int]:
        async with transaction(engines.system) as opened:
            rows = await opened.driver.fetch("SELECT tenant_id, version FROM config_versions")
        return {row["tenant_id"]: row["version"] for row in rows}

    before = await versions()
    await change(engines, lambda uow: uow.senders.update_sender(a_sender(name="changed")))
    after = await versions()

    assert after[TENANT] == before[TENANT] + 1
    assert after[OTHER_TENANT] == before[OTHER_TENANT]
