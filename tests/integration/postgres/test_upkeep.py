"""Are partitions made ahead, are old records forgotten, and does the database tell how it is?"""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from messaging.adapters.postgres.messages.submissions import PostgresSubmissions
from messaging.adapters.postgres.operations.health import PostgresHealth
from messaging.adapters.postgres.operations.upkeep import PostgresUpkeep
from messaging.adapters.postgres.session.engine import Engines, create_engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.health import Retention
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.state import State
from tests.builders import ACCOUNT, NOON, TENANT
from tests.seeding import a_claim, a_new_message, accept, an_acceptance, seed_tenant
from tests.unit.application.webhooks.doubles import Counts

OF_CALLBACKS = {"callback_events", "callback_attempts", "callback_ends"}
PARTITIONED = {"messages", "contents", "attempts", "events", "raw_webhooks", *OF_CALLBACKS}


def an_upkeep(engines: Engines) -> PostgresUpkeep:
    return PostgresUpkeep(engines.system, retention=Retention(), telemetry=Counts())


async def partitions(database: str) -> list[str]:
    owner = await asyncpg.connect(database)
    rows = await owner.fetch("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname")
    await owner.close()
    return [row["relname"] for row in rows]


async def test_partitions_reach_from_last_week_to_eight_weeks_ahead(database: str) -> None:
    now = datetime.now(UTC)
    weeks = [(now + timedelta(weeks=n)).isocalendar() for n in range(-1, 9)]
    expected = {f"{table}_{week.year}w{week.week:02}" for table in PARTITIONED for week in weeks}

    assert set(await partitions(database)) == expected | {f"{table}_default" for table in PARTITIONED}


async def test_missing_partitions_are_made_again_by_several_processes_at_once(fresh_database: str) -> None:
    engines = create_engines(fresh_database)
    before = await partitions(fresh_database)
    owner = await asyncpg.connect(fresh_database)
    last = max(name for name in before if name.startswith("raw_webhooks_2"))
    await owner.execute(f"DROP TABLE {last}")
    await owner.close()

    await asyncio.gather(*(an_upkeep(engines).ensure_partitions() for _ in range(3)))

    assert await partitions(fresh_database) == before
    await engines.dispose()


async def test_a_database_whose_partitions_nobody_makes_is_not_ready(fresh_database: str) -> None:
    owner = await asyncpg.connect(fresh_database)
    coming = sorted(name for name in await partitions(fresh_database) if name.startswith("messages_2"))[2:]
    for name in coming:
        for table in ("contents", "attempts", "messages"):
            await owner.execute(f"DROP TABLE {name.replace('messages', table)}")
    await owner.close()
    engines = create_engines(fresh_database)

    check = next(check for check in await PostgresHealth(engines.system).checks() if check.name == "partitions")

    assert not check.ok
    assert "app worker" in check.detail
    await engines.dispose()


async def test_ids_of_no_known_week_are_kept_all_the_same(engines: Engines, database: str) -> None:
    await seed_tenant(engines)
    await accept(engines, [a_new_message(id=UUID(int=1))])

    owner = await asyncpg.connect(database)
    assert await owner.fetchval("SELECT count(*) FROM messages_default") == 1
    await owner.close()


async def test_the_tenants_role_may_not_make_partitions(engines: Engines) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(engines.app) as opened:
            await opened.driver.execute("SELECT ensure_partitions()")


async def test_expired_keys_and_old_digests_are_forgotten(engines: Engines) -> None:
    await seed_tenant(engines)
    expired = [an_acceptance(idempotency=a_claim(f"old-{n}", expires_at=NOON)) for n in range(3)]
    await PostgresSubmissions(engines.app).accept_many([*expired, an_acceptance(idempotency=a_claim("new"))])
    async with transaction(engines.system) as opened:
        for age, digest in (("31 days", b"old"), ("29 days", b"new")):
            await opened.driver.execute(
                f"INSERT INTO webhook_digests VALUES ($1, $2, now() - interval '{age}', $3)", TENANT, ACCOUNT, digest
            )
        await opened.commit()

    gone = await an_upkeep(engines).purge_idempotency()

    assert gone == 3
    async with transaction(engines.system) as opened:
        assert [row["key"] for row in await opened.driver.fetch("SELECT key FROM idempotency_keys")] == ["new"]
        assert [row["digest"] for row in await opened.driver.fetch("SELECT digest FROM webhook_digests")] == [b"new"]


async def test_a_migrated_and_idle_database_is_ready(engines: Engines) -> None:
    checks = await PostgresHealth(engines.system).checks()

    assert [(check.name, check.ok) for check in checks] == [
        ("postgres", True),
        ("migrations", True),
        ("partitions", True),
        ("relay_lag", True),
        ("identity", True),
    ]


async def test_an_older_schema_is_not_ready(fresh_database: str) -> None:
    engines = create_engines(fresh_database)
    owner = await asyncpg.connect(fresh_database)
    await owner.execute("UPDATE alembic_version SET version_num = '0000'")
    await owner.close()

    check = next(check for check in await PostgresHealth(engines.system).checks() if check.name == "migrations")

    assert not check.ok
    assert "app migrate" in check.detail
    await engines.dispose()


async def test_a_database_without_our_tables_is_not_ready(empty_database: str) -> None:
    engines = create_engines(empty_database)

    checks = await PostgresHealth(engines.system).checks()

    assert [(check.name, check.ok) for check in checks] == [("postgres", True), ("migrations", False)]
    await engines.dispose()


async def test_a_database_that_does_not_answer_is_not_ready() -> None:
    engines = create_engines("postgresql://nobody@127.0.0.1:1/nothing")

    [check] = await PostgresHealth(engines.system).checks()

    assert (check.name, check.ok) == ("postgres", False)
    assert "127.0.0.1" not in check.detail
    await engines.dispose()


@pytest.mark.parametrize(("priority", "ready"), [(Priority.CRITICAL, False), (Priority.LOW, True)])
async def test_only_urgent_messages_left_lying_make_it_unready(
    engines: Engines, priority: Priority, ready: bool
) -> None:
    await seed_tenant(engines)
    await accept(engines, [a_new_message(priority=priority)])
    async with transaction(engines.system) as opened:
        await opened.driver.execute("UPDATE dispatches SET due_at = now() - interval '6 minutes'")
        await opened.commit()

    check = next(check for check in await PostgresHealth(engines.system).checks() if check.name == "relay_lag")

    assert check.ok is ready


async def test_lanes_tell_how_deep_and_how_old_they_are(engines: Engines) -> None:
    await seed_tenant(engines)
    later = datetime(2100, 1, 1, tzinfo=UTC)
    scheduled = a_new_message(state=State.SCHEDULED, send_at=later)
    await accept(engines, [a_new_message(), a_new_message(), scheduled])

    [depth] = await PostgresHealth(engines.system).lane_depths()

    assert depth.lane == DeliverLane(channel=Channel.WHATSAPP, priority=Priority.DEFAULT)
    assert (depth.due, depth.waiting) == (2, 1)
    assert depth.oldest_due_at is not None
    assert depth.oldest_due_at <= datetime.now(UTC) + timedelta(seconds=1)
