"""Two processes on one database: a change is visible at once where it was made, and soon elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.unit_of_work import SystemUnitOfWork, UnitOfWork
from messaging.application.templates.news import take_in_news
from messaging.domain.shared.ids import KeyId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import TemplateStatus
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.tenant import TenantStatus
from tests.builders import (
    ACCOUNT,
    KEY,
    NOON,
    OTHER_TENANT,
    TENANT,
    a_rule,
    a_sender,
    a_template,
    a_tenant,
    an_account,
    an_api_key,
)
from tests.integration.postgres.test_snapshots import TOKEN, soon, watching
from tests.seeding import seed_tenant

Look = Callable[[PostgresSnapshots], Awaitable[object]]
ADMIN = AdminKey(id=KeyId(KEY), public_id="adm", secret_sha256=b"s" * 32, name="ops", created_at=NOON)
OLD_ADMIN = replace(ADMIN, id=KeyId(ACCOUNT), public_id="old")
PAUSED = TemplateNews(
    tenant_id=TENANT,
    account_id=ACCOUNT,
    external_id="1407680676729941",
    at=NOON,
    heard_at=NOON,
    status=TemplateStatus.PAUSED,
)


class Process:
    """What it writes and what it remembers. It does not watch, so only its own commits make it look."""

    def __init__(self, engines: Engines) -> None:
        self.snapshots = PostgresSnapshots(engines.system)
        self.uow = PostgresUnitOfWorkFactory(engines.app, changed=self.snapshots.changed)
        self.system = PostgresSystemUnitOfWorkFactory(engines.system, changed=self.snapshots.changed)

    async def change(self, write: Callable[[UnitOfWork], Awaitable[object]]) -> None:
        async with self.uow(TENANT, Mode.LIVE) as uow:
            await write(uow)
            await uow.commit()

    async def change_platform(self, write: Callable[[SystemUnitOfWork], Awaitable[object]]) -> None:
        async with self.system() as uow:
            await write(uow)
            await uow.commit()


@pytest.fixture
async def here(engines: Engines) -> Process:
    await seed_tenant(engines)
    process = Process(engines)
    await process.change_platform(lambda uow: uow.admin_keys.add(OLD_ADMIN))
    return process


@pytest.fixture
async def elsewhere(here: Process, engines: Engines) -> AsyncIterator[PostgresSnapshots]:
    async with watching(engines) as snapshots:
        yield snapshots


async def tenant(snapshots: PostgresSnapshots) -> object:
    return await snapshots.tenant(TENANT)


TENANTS: dict[str, tuple[Callable[[Any], Awaitable[object]], Look]] = {
    "account": (
        lambda uow: uow.accounts.update_account(an_account(webhook_token=TOKEN, name="changed")),
        lambda snapshots: snapshots.account_by_token(TOKEN),
    ),
    "sender": (lambda uow: uow.senders.update_sender(a_sender(name="changed")), tenant),
    "template": (lambda uow: uow.reviewed_templates.update_template(a_template(quality="changed")), tenant),
    "rules": (lambda uow: uow.routing_rules.replace_rules([a_rule()]), tenant),
    "key": (
        lambda uow: uow.api_keys.add_key(an_api_key()),
        lambda snapshots: snapshots.api_key(an_api_key().public_id),
    ),
}
PLATFORMS: dict[str, tuple[Callable[[Any], Awaitable[object]], Look]] = {
    "suspended": (lambda uow: uow.platform.update_tenant(a_tenant(status=TenantStatus.SUSPENDED)), tenant),
    "another tenant": (
        lambda uow: uow.platform.add_tenant(
            a_tenant(id=OTHER_TENANT), WrappedKey(tenant_id=OTHER_TENANT, version=1, wrapped=b"w")
        ),
        lambda snapshots: snapshots.tenant(OTHER_TENANT),
    ),
    "admin key": (
        lambda uow: uow.admin_keys.add(ADMIN),
        lambda snapshots: snapshots.admin_key("adm"),
    ),
    "revoked admin key": (
        lambda uow: uow.admin_keys.revoke(OLD_ADMIN.id, at=NOON),
        lambda snapshots: snapshots.admin_key("old"),
    ),
    "rotated admin key": (
        lambda uow: uow.admin_keys.end(OLD_ADMIN.id, at=NOON),
        lambda snapshots: snapshots.admin_key("old"),
    ),
    "news of a template": (lambda uow: take_in_news(uow, [PAUSED]), tenant),
}


@pytest.mark.parametrize(("write", "look"), TENANTS.values(), ids=TENANTS)
async def test_a_tenants_change_is_visible_at_once_here_and_soon_elsewhere(
    here: Process, elsewhere: PostgresSnapshots, write: Callable[[UnitOfWork], Awaitable[object]], look: Look
) -> None:
    before, told = await look(here.snapshots), await look(elsewhere)

    await here.change(write)

    assert await look(here.snapshots) != before
    await soon(lambda: _differs(look, elsewhere, told))


@pytest.mark.parametrize(("write", "look"), PLATFORMS.values(), ids=PLATFORMS)
async def test_a_change_of_the_platforms_is_too(
    here: Process, elsewhere: PostgresSnapshots, write: Callable[[SystemUnitOfWork], Awaitable[object]], look: Look
) -> None:
    before, told = await look(here.snapshots), await look(elsewhere)

    await here.change_platform(write)

    assert await look(here.snapshots) != before
    await soon(lambda: _differs(look, elsewhere, told))


async def test_what_was_being_read_during_the_change_is_read_anew(here: Process) -> None:
    """The reading that had begun must neither be joined afterwards nor kept."""
    reading, ended = asyncio.Event(), asyncio.Event()
    read = here.snapshots._tenants._read

    async def slowly(id: Any) -> Any:
        known = await read(id)
        if not reading.is_set():
            reading.set()
            await ended.wait()
        return known

    here.snapshots._tenants._read = slowly
    early = asyncio.create_task(here.snapshots.tenant(TENANT))
    await reading.wait()

    await here.change(lambda uow: uow.senders.update_sender(a_sender(name="changed")))
    late = await here.snapshots.tenant(TENANT)
    ended.set()
    before = await early

    assert late is not None
    assert before is not None
    assert {sender.name for sender in late.senders.values()} == {"changed"}
    assert {sender.name for sender in before.senders.values()} != {"changed"}
    assert await here.snapshots.tenant(TENANT) is late


async def test_a_commit_without_a_change_looks_for_nothing(engines: Engines) -> None:
    await seed_tenant(engines)
    looks = 0

    async def changed() -> None:
        nonlocal looks
        looks += 1

    async with PostgresUnitOfWorkFactory(engines.app, changed=changed)(TENANT, Mode.LIVE) as uow:
        await uow.accounts.account(ACCOUNT)
        await uow.commit()
    async with PostgresUnitOfWorkFactory(engines.app, changed=changed)(TENANT, Mode.LIVE) as uow:
        await uow.senders.update_sender(replace(a_sender(), name="rolled back"))

    assert looks == 0


async def _differs(look: Look, snapshots: PostgresSnapshots, told: object) -> bool:
    return await look(snapshots) != told
