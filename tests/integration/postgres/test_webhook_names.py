"""Migration 0030 gives stored webhooks their names while processes of the version before go on working."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from messaging.adapters.postgres.operations.upkeep import PostgresUpkeep
from messaging.adapters.postgres.schema import migrate
from messaging.adapters.postgres.session.engine import Engines
from messaging.application.ports.health import Retention
from tests.builders import ACCOUNT, TENANT
from tests.integration.postgres.adding_weeks import an_id
from tests.unit.application.webhooks.doubles import Counts

# Statements as the version before sends them.
STORE: Final = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::bytea[], $7::bytea[])
        AS g(tenant_id, id, account_id, received_at, provider, digest, sealed)
), fresh AS (
    INSERT INTO callback_digests (tenant_id, account_id, digest, received_at)
    SELECT tenant_id, account_id, digest, received_at FROM given
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, account_id, digest
), stored AS (
    INSERT INTO raw_callbacks (tenant_id, id, account_id, received_at, provider, status, digest, sealed)
    SELECT g.tenant_id, g.id, g.account_id, g.received_at, g.provider, 'stored', g.digest, g.sealed
    FROM given g JOIN fresh USING (tenant_id, account_id, digest)
    RETURNING tenant_id, id
)
INSERT INTO dispatches (tenant_id, subject_id, kind, due_at)
SELECT tenant_id, id, 'process_callback', statement_timestamp() FROM stored
RETURNING subject_id
"""
LOCK_DUE: Final = """
SELECT r.tenant_id, r.id, r.account_id, r.received_at, r.provider, r.digest, r.sealed
FROM dispatches d JOIN raw_callbacks r ON r.tenant_id = d.tenant_id AND r.id = d.subject_id
WHERE d.kind <> 'deliver' AND d.kind = 'process_callback' AND d.due_at <= statement_timestamp()
ORDER BY d.due_at
LIMIT $1
FOR NO KEY UPDATE OF d SKIP LOCKED
"""
SETTLE: Final = """
WITH settled AS (
    UPDATE raw_callbacks r SET status = $5, problem = $6, processed_at = clock_timestamp()
    WHERE r.tenant_id = ANY($1::uuid[]) AND r.id = ANY($2::uuid[]) AND r.id BETWEEN $3 AND $4
)
DELETE FROM dispatches d
WHERE d.tenant_id = ANY($1::uuid[]) AND d.subject_id = ANY($2::uuid[])
"""
PUT_BACK: Final = """
WITH chosen AS (
    SELECT tenant_id, id FROM raw_callbacks
    WHERE problem IS NOT NULL ORDER BY processed_at LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
), due AS (
    UPDATE raw_callbacks r SET status = 'stored', problem = NULL, processed_at = NULL
    FROM chosen c WHERE r.tenant_id = c.tenant_id AND r.id = c.id
    RETURNING r.tenant_id, r.id
)
INSERT INTO dispatches (tenant_id, subject_id, kind, due_at)
SELECT tenant_id, id, 'process_callback', statement_timestamp() FROM due
RETURNING subject_id
"""
PURGE_DIGESTS: Final = """
DELETE FROM callback_digests c USING (
    SELECT tenant_id, account_id, digest FROM callback_digests
    WHERE received_at <= statement_timestamp() - interval '30 days'
    ORDER BY received_at LIMIT $1
) AS old WHERE c.tenant_id = old.tenant_id AND c.account_id = old.account_id AND c.digest = old.digest
"""
DROP_WEEK: Final = "SELECT drop_oldest_week('raw_callbacks', interval '90 days')"

SEED: Final = f"""
INSERT INTO tenants VALUES ('{TENANT}', 'Northwind', 'active', now());
INSERT INTO provider_accounts VALUES ('{TENANT}', '{ACCOUNT}', 'whatsapp_cloud', 'live', 'n', 'e', '', 't', 'active',
                                      now());
"""
# Whatever still has the old word in its name.
# Callbacks of today, which tenants are sent, have names of their own.
NAMED: Final = """
SELECT name FROM (
    SELECT relkind::text || ' ' || relname AS name FROM pg_class WHERE relkind <> 't'
    UNION ALL SELECT 'constraint ' || conname FROM pg_constraint
    UNION ALL SELECT 'function ' || proname FROM pg_proc
    UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger
) named
WHERE name ~ 'callback' AND name !~ 'callback_(endpoints|secrets|events|lanes|queue|attempts|ends)'
"""


@asynccontextmanager
async def a_connection(url: str, *, as_platform: bool = False) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        if as_platform:
            await connection.execute("SET ROLE messaging_system")
        yield connection
    finally:
        await connection.close()


def a_row(number: int) -> tuple[UUID, UUID, UUID, datetime, str, bytes, bytes]:
    now = datetime.now(UTC)
    return TENANT, an_id(now, number), ACCOUNT, now, "whatsapp_cloud", number.to_bytes(32, "big"), b"sealed"


async def store(connection: "asyncpg.Connection[asyncpg.Record]", number: int) -> list[UUID]:
    rows = await connection.fetch(STORE, *([column] for column in a_row(number)))
    return [row["subject_id"] for row in rows]


async def test_processes_of_the_version_before_go_on_while_tables_are_renamed(empty_database: str) -> None:
    await asyncio.to_thread(migrate.upgrade, empty_database, to="0029")
    async with (
        a_connection(empty_database) as owner,
        a_connection(empty_database, as_platform=True) as old_receiver,
        a_connection(empty_database, as_platform=True) as old_worker,
    ):
        await owner.execute(SEED)
        before = await store(old_receiver, 1)

        # A batch is being processed when the migration comes: it gives way, again and again, until the batch is done.
        processing = old_worker.transaction()
        await processing.start()
        taken = await old_worker.fetch(LOCK_DUE, 20)
        migrating = asyncio.create_task(asyncio.to_thread(migrate.upgrade, empty_database))
        while not await owner.fetchval("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"):
            assert not migrating.done()
            await asyncio.sleep(0.01)
        ids = [row["id"] for row in taken]
        await old_worker.execute(SETTLE, [TENANT], ids, min(ids), max(ids), "set_aside", "odd")
        await processing.commit()
        await migrating

        after = await store(old_receiver, 2)
        repeated = await store(old_receiver, 2)
        put_back = await old_worker.fetch(PUT_BACK, 20)
        due = await old_worker.fetch(LOCK_DUE, 20)
        await old_worker.execute(PURGE_DIGESTS, 20)
        dropped = await old_worker.fetchval(DROP_WEEK)
        made = await owner.fetchval("SELECT ensure_partitions()")
        stored = await owner.fetch("SELECT id FROM raw_webhooks ORDER BY id")
        named = {row["name"] for row in await owner.fetch(NAMED)}
        unchecked = await owner.fetch("SELECT conname FROM pg_constraint WHERE contype = 'c' AND NOT convalidated")

    assert ids == before
    assert len(after) == 1
    assert repeated == []
    assert [row["subject_id"] for row in put_back] == before
    assert {row["id"] for row in due} == {*before, *after}
    assert (dropped, made) == ([], 0)
    assert [row["id"] for row in stored] == [*before, *after]
    assert unchecked == []
    assert named == {"v raw_callbacks", "v callback_digests"}


async def test_dispatches_of_former_kinds_are_taken_over_without_waiting_for_those_in_use(
    database: str, engines: Engines
) -> None:
    formers = ("process_callback", "check_silent", "stop_waiting")
    upkeep = PostgresUpkeep(engines.system, retention=Retention(), telemetry=Counts())
    ids = [an_id(datetime.now(UTC) - timedelta(hours=1), number) for number in range(4)]
    async with a_connection(database) as owner, a_connection(database) as old_worker:
        for id, kind in zip(ids, (*formers, "process_callback"), strict=True):
            await owner.execute(
                "INSERT INTO dispatches (tenant_id, subject_id, due_at, kind) VALUES ($1, $2, now(), $3)",
                *(TENANT, id, kind),
            )
        processing = old_worker.transaction()
        await processing.start()
        await old_worker.fetch("SELECT FROM dispatches WHERE subject_id = $1 FOR NO KEY UPDATE", ids[3])

        first = await upkeep.adopt_former_dispatches()
        in_use = await owner.fetchval("SELECT kind FROM dispatches WHERE subject_id = $1", ids[3])
        await processing.rollback()
        then = await upkeep.adopt_former_dispatches()
        kinds = await owner.fetch("SELECT kind FROM dispatches ORDER BY subject_id")

    assert (first, in_use, then) == (3, "process_callback", 1)
    assert [row["kind"] for row in kinds] == ["process_webhook", "poll_status", "resolve_unknown", "process_webhook"]
