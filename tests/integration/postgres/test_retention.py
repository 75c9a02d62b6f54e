"""Do old weeks go whole, and only when nothing in them is unfinished?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest

from messaging.adapters.postgres.operations.upkeep import PostgresUpkeep
from messaging.adapters.postgres.session.engine import Engines, create_engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.ports.health import Retention
from messaging.domain.callbacks.endpoint import CallbackSecret
from messaging.domain.shared.ids import CallbackSecretId
from messaging.domain.shared.mode import Mode, TenantScope
from tests.builders import ACCOUNT, ENDPOINT, TENANT, an_endpoint
from tests.integration.postgres.adding_weeks import OF_MESSAGES, add_week, an_id, week_of
from tests.seeding import a_new_message, accept, seed_other_tenant, seed_tenant
from tests.unit.application.webhooks.doubles import Counts

YEAR = timedelta(days=365)
OLD = datetime.now(UTC) - timedelta(days=400)
OLDER = OLD - timedelta(days=7)

# Row-level security holds for an ordinary owner too: without a policy of its own, it sees no rows at all.
TO_AN_ORDINARY_OWNER = """
DO $$
DECLARE
    it record;
BEGIN
    GRANT CREATE ON SCHEMA public TO ordinary_owner;
    FOR it IN SELECT oid::regclass AS name FROM pg_class
              WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO ordinary_owner', it.name);
    END LOOP;
    FOR it IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO ordinary_owner', it.name);
    END LOOP;
END
$$
"""

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
MakeUpkeep = Callable[..., PostgresUpkeep]


@pytest.fixture
async def owner(fresh_database: str) -> AsyncIterator[Owner]:
    """Connected as superuser to a database that has been there for two old weeks; an ordinary role owns the tables."""
    connection = await asyncpg.connect(fresh_database)
    for at in (OLDER, OLD):
        for table in (*OF_MESSAGES, "raw_webhooks"):
            await add_week(connection, table, at)
    await connection.execute("CREATE ROLE ordinary_owner")
    await connection.execute(TO_AN_ORDINARY_OWNER)
    yield connection
    await connection.execute("REASSIGN OWNED BY ordinary_owner TO postgres; DROP OWNED BY ordinary_owner")
    await connection.execute("DROP ROLE ordinary_owner")
    await connection.close()


@pytest.fixture
async def engines(owner: Owner, fresh_database: str) -> AsyncIterator[Engines]:
    """With one finished message in either old week and one of today."""
    engines = create_engines(fresh_database)
    await seed_tenant(engines)
    await accept(engines, [a_new_message(id=an_id(at)) for at in (OLDER, OLD)])
    await owner.execute("DELETE FROM dispatches; UPDATE messages SET state = 'cancelled'")
    await accept(engines, [a_new_message()])
    yield engines
    await engines.dispose()


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def upkeep(engines: Engines, counts: Counts) -> MakeUpkeep:
    return lambda **kept: PostgresUpkeep(engines.system, retention=Retention(**kept), telemetry=counts)


async def weeks(owner: Owner) -> set[str]:
    rows = await owner.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_[0-9]{4}w[0-9]{2}$'")
    return {row["relname"] for row in rows}


async def test_weeks_past_the_retention_go_with_all_that_belongs_to_them(
    owner: Owner, upkeep: MakeUpkeep, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await owner.execute("INSERT INTO dead_letters SELECT tenant_id, id, now(), now(), 'x', 'y', 'z' FROM messages")
    before = await weeks(owner)

    dropped = await upkeep(messages=YEAR).drop_old_partitions()

    assert set(dropped) == {week_of(table, at) for table in OF_MESSAGES for at in (OLDER, OLD)}
    assert await weeks(owner) == before - set(dropped)
    for table in (*OF_MESSAGES[:1], "contents", "dead_letters"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 1
    assert counts.seen["partitions_dropped{table=attempts}"] == 2
    assert [record.__dict__["partition"] for record in caplog.records if record.message == "partition.dropped"] == [
        *dropped
    ]


@pytest.mark.parametrize(
    "unfinished",
    [
        "UPDATE messages SET state = 'queued' WHERE id = $1",
        "INSERT INTO dispatches (tenant_id, subject_id, due_at, kind) SELECT tenant_id, id, now(), 'poll_status'"
        " FROM messages WHERE id = $1",
        "INSERT INTO dead_letters SELECT tenant_id, id, now(), NULL, 'x', 'y' FROM messages WHERE id = $1",
    ],
    ids=["state", "dispatch", "open letter"],
)
async def test_a_week_with_anything_unfinished_is_kept_and_the_next_one_goes(
    owner: Owner, upkeep: MakeUpkeep, unfinished: str
) -> None:
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(unfinished, an_id(OLDER))

    dropped = await upkeep(messages=YEAR).drop_old_partitions()

    assert set(dropped) == {week_of(table, OLD) for table in OF_MESSAGES}
    assert await owner.fetchval("SELECT count(*) FROM contents WHERE message_id = $1", an_id(OLDER)) == 1


async def test_webhooks_have_a_retention_of_their_own_and_unread_ones_are_kept(
    engines: Engines, owner: Owner, upkeep: MakeUpkeep
) -> None:
    await owner.execute(
        "INSERT INTO dispatches (tenant_id, subject_id, due_at, kind) VALUES ($1, $2, now(), 'process_webhook')",
        TENANT,
        an_id(OLDER),
    )

    dropped = await upkeep(raw_webhooks=timedelta(days=90)).drop_old_partitions()

    assert dropped == [week_of("raw_webhooks", OLD)]


async def test_without_a_retention_everything_stays(owner: Owner, upkeep: MakeUpkeep) -> None:
    before = await weeks(owner)

    assert await upkeep().drop_old_partitions() == []
    assert await upkeep(messages=timedelta(days=401), raw_webhooks=timedelta(days=420)).drop_old_partitions() != []
    assert week_of("messages", OLD) in before & await weeks(owner)


async def test_it_gives_way_to_whoever_uses_the_tables_and_comes_back(
    engines: Engines, owner: Owner, upkeep: MakeUpkeep
) -> None:
    async with transaction(engines.app, scope=TenantScope(TENANT, Mode.LIVE)) as reading:
        await reading.driver.fetch("SELECT id FROM messages")
        assert await upkeep(messages=YEAR).drop_old_partitions() == []

    assert len(await upkeep(messages=YEAR).drop_old_partitions()) == 2 * len(OF_MESSAGES)


async def test_a_message_taken_up_again_while_the_lock_was_waited_for_keeps_its_week(
    engines: Engines, owner: Owner, upkeep: MakeUpkeep
) -> None:
    before = await weeks(owner)
    requeue = owner.transaction()
    await requeue.start()
    await owner.execute("UPDATE messages SET updated_at = now() WHERE id = $1", an_id(OLDER))
    await owner.execute(
        "INSERT INTO dispatches (tenant_id, subject_id, due_at, kind) VALUES ($1, $2, now(), 'poll_status')",
        TENANT,
        an_id(OLDER),
    )
    dropping = asyncio.create_task(upkeep(messages=YEAR).drop_old_partitions())
    async with asyncio.timeout(60):
        while not await owner.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            await asyncio.sleep(0.01)
    await requeue.commit()

    assert await dropping == []
    assert await weeks(owner) == before


async def test_several_processes_at_it_drop_each_week_once(upkeep: MakeUpkeep, counts: Counts) -> None:
    await asyncio.gather(*(upkeep(messages=YEAR).drop_old_partitions() for _ in range(3)))

    assert counts.seen["partitions_dropped{table=messages}"] == 2


async def test_no_role_can_drop_a_week_of_this_month(engines: Engines) -> None:
    for engine, refusal in (
        (engines.app, asyncpg.InsufficientPrivilegeError),
        (engines.system, asyncpg.RaiseError),
    ):
        with pytest.raises(refusal):
            async with transaction(engine) as opened:
                await opened.driver.execute("SELECT drop_week('messages', date_trunc('week', now()))")


async def test_a_message_still_cannot_be_spoken_of_where_it_is_not(engines: Engines) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="attempts_message_fkey"):
        async with transaction(engines.system) as opened:
            await opened.driver.execute(
                "INSERT INTO attempts (tenant_id, message_id, account_id, epoch, lease_until, possible_duplicate,"
                " phase, lease_owner) VALUES ($1, $2, $3, 1, now(), false, 'claimed', 'w')",
                TENANT,
                an_id(OLD.replace(microsecond=0) - timedelta(days=1)),
                ACCOUNT,
            )


EVENT = """
INSERT INTO provider_events
SELECT tenant_id, gen_random_uuid(), id, gen_random_uuid(), $1, $1, 1, mode, 'security', NULL,
       sha256(gen_random_uuid()::text::bytea), 'x' FROM provider_accounts
"""


async def test_what_providers_told_is_kept_as_long_as_their_webhooks(
    engines: Engines, owner: Owner, upkeep: MakeUpkeep
) -> None:
    today = datetime.now(UTC)
    for at in (OLDER, OLD, today):
        await owner.execute(EVENT, at)

    assert await upkeep(messages=YEAR).purge_provider_events() == 0
    assert await upkeep(raw_webhooks=YEAR).purge_provider_events() == 2

    assert [row["received_at"] for row in await owner.fetch("SELECT received_at FROM provider_events")] == [today]


INBOUND = """
INSERT INTO inbound_messages (tenant_id, id, account_id, sender_id, occurred_at, received_at, provider_message_id,
                              kind, sealed)
SELECT tenant_id, gen_random_uuid(), account_id, id, $1, $1, gen_random_uuid(), 'text', 'x' FROM senders
"""


async def test_what_people_wrote_is_kept_as_long_as_messages(
    engines: Engines, owner: Owner, upkeep: MakeUpkeep
) -> None:
    await seed_other_tenant(engines)
    today = datetime.now(UTC)
    for at in (OLDER, OLD, today):
        await owner.execute(INBOUND, at)

    assert await upkeep(raw_webhooks=YEAR).purge_inbound() == 0
    gone = await upkeep(messages=YEAR).purge_inbound()

    kept = await owner.fetch("SELECT received_at FROM inbound_messages")
    assert [row["received_at"] for row in kept] == [today, today]
    assert gone == 4


async def test_what_tenants_were_told_is_kept_for_30_days_whatever_else_is_kept(
    engines: Engines, owner: Owner, upkeep: MakeUpkeep
) -> None:
    tables = ("callback_events", "callback_attempts", "callback_ends")
    recent = datetime.now(UTC) - timedelta(days=30)
    for table in tables:
        for at in (OLD, recent):
            await add_week(owner, table, at)
        await owner.execute(f"ALTER TABLE {week_of(table, OLD)} OWNER TO ordinary_owner")
    await owner.execute(
        "INSERT INTO dispatches (tenant_id, subject_id, due_at, kind) VALUES ($1, $2, now(), 'poll_status')",
        TENANT,
        an_id(OLD),
    )

    dropped = await upkeep().drop_old_partitions()

    assert set(dropped) == {week_of(table, OLD) for table in tables}


async def test_secrets_of_callbacks_go_when_they_sign_nothing_any_more(
    engines: Engines, owner: Owner, upkeep: MakeUpkeep
) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.callback_endpoints.add(an_endpoint())
        for number, until in enumerate((None, soon, OLD)):
            secret = CallbackSecret(
                endpoint_id=ENDPOINT,
                id=CallbackSecretId(UUID(int=number)),
                secret_encrypted=b"s",
                created_at=OLDER,
                expires_at=until,
            )
            await uow.callback_secrets.add(secret)
        await uow.commit()

    await upkeep().purge_idempotency()

    left = await owner.fetch("SELECT expires_at FROM callback_secrets ORDER BY id")
    assert [row["expires_at"] for row in left] == [None, soon]
