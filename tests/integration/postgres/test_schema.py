"""Is the migrated schema the one the code believes in, and does it keep its own rules?"""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import product

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from messaging.adapters.postgres.schema.tables import metadata
from messaging.adapters.postgres.session.engine import create_engines
from messaging.adapters.postgres.session.urls import sqlalchemy_url
from messaging.domain.messages import retry
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.receipts import ProviderError, ReceiptKind
from messaging.domain.messages.state import LEGAL_MOVES, State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.failover import recover_failover
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.shared.errors import DomainError
from tests.builders import NOON, a_receipt, a_state
from tests.seeding import a_new_message, accept, seed_tenant

# What one transaction may do in two steps, each of them legal, by way of `queued`.
TWO_STEPS = {
    (State.SCHEDULED, State.CLAIMED),
    (State.SCHEDULED, State.UNKNOWN),
    (State.CLAIMED, State.EXPIRED),
    (State.SENDING, State.EXPIRED),
    (State.SENDING, State.DEAD),
    (State.UNKNOWN, State.EXPIRED),
    (State.UNKNOWN, State.DEAD),
}


@pytest.fixture
async def owner(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


def _differences(connection: Connection) -> list[object]:
    known = set(metadata.tables)
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, type_, _: type_ != "table" or name in known,
        },
    )
    return list(compare_metadata(context, metadata))


def _checks(connection: Connection) -> dict[str, set[str | None]]:
    inspector = inspect(connection)
    return {table: {check["name"] for check in inspector.get_check_constraints(table)} for table in metadata.tables}


async def test_the_tables_in_code_are_those_of_the_migrations(database: str) -> None:
    engine = create_async_engine(sqlalchemy_url(database))
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
        checks = await connection.run_sync(_checks)
    await engine.dispose()

    assert differences == []
    assert checks == {
        name: {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}
        for name, table in metadata.tables.items()
    }


async def test_the_database_and_the_domain_read_the_same_table_of_moves(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    pairs = list(product(State, State))
    rows = await owner.fetch(
        "SELECT a, b FROM unnest($1::text[], $2::text[]) AS p(a, b) WHERE is_legal_move(a, b)",
        [source for source, _ in pairs],
        [target for _, target in pairs],
    )

    assert {(State(row["a"]), State(row["b"])) for row in rows} == set(LEGAL_MOVES) | TWO_STEPS


def test_every_two_step_move_goes_by_way_of_queued() -> None:
    for source, target in TWO_STEPS:
        assert (source, State.QUEUED) in LEGAL_MOVES
        assert (State.QUEUED, target) in LEGAL_MOVES
        assert (source, target) not in LEGAL_MOVES


def _decisions(message: MessageState) -> Iterator[Change | None]:
    """What the core makes of a message that stands so, whatever happens to it next."""
    lease = timedelta(seconds=30)
    yield lifecycle.take_up(message, worker="w1", lease=lease)
    yield lifecycle.start(message, epoch=1, worker="w1", lease=lease)
    yield lifecycle.release(message, epoch=1, reason="draining", due_at=NOON)
    yield lifecycle.dead_letter(message, epoch=1, error=ProviderError(code="x", reason="y"))
    yield lifecycle.resolve_unknown(message)
    yield recover_failover(message)
    with suppress(DomainError):
        yield lifecycle.cancel(message, by="key_1")
    with suppress(DomainError):
        yield lifecycle.requeue(message, by="key_1", possible_duplicate=True)
    for result in (
        retry.Sent(provider_message_id="wamid.1"),
        retry.Rejected(code="x", reason="y"),
        retry.Unavailable(code="x", reason="y"),
        retry.Throttled(code="x", reason="y", scope=retry.Scope.SENDER, retry_after=timedelta(hours=1)),
        retry.Unreachable(reason="y"),
        retry.Uncertain(reason="y"),
    ):
        yield conclude(message, epoch=1, result=result)
    for count in range(1, 5):
        for kinds in product(ReceiptKind, repeat=count):
            yield lifecycle.receive(message, [(1, a_receipt(kind)) for kind in kinds])


def test_whatever_the_core_decides_the_database_allows() -> None:
    allowed = set(LEGAL_MOVES) | TWO_STEPS | {(state, state) for state in State}
    spent = {"attempts": 9, "checks": 29, "claim_failures": 2}
    decided: set[tuple[State, State]] = set()

    for state, expires_at, worn in product(State, (None, NOON, NOON + timedelta(minutes=1)), ({}, spent)):
        message = a_state(state, expires_at=expires_at, **worn)
        decided |= {(change.previous, change.state) for change in _decisions(message) if change is not None}

    assert decided <= allowed
    assert decided >= TWO_STEPS


async def test_every_state_is_known_to_the_messages_table(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    definition = await owner.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'messages_state_check'"
        " AND conrelid = 'messages'::regclass"
    )

    assert all(f"'{state}'" in definition for state in State)


async def test_no_index_of_messages_holds_a_column_that_changes(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """Otherwise no update would be HOT, and every move of a message would touch every index."""
    indexed = await owner.fetch(
        "SELECT DISTINCT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
        " AND (a.attnum = ANY(i.indkey) OR pg_get_expr(i.indpred, i.indrelid) ~ a.attname)"
        " WHERE i.indrelid = 'messages'::regclass"
    )
    changing = await owner.fetch(
        "SELECT column_name FROM information_schema.column_privileges"
        " WHERE table_name = 'messages' AND grantee = 'messaging_system' AND privilege_type = 'UPDATE'"
    )

    assert {row["column_name"] for row in changing} >= {"state", "seq", "epoch", "updated_at"}
    assert {row["attname"] for row in indexed} & {row["column_name"] for row in changing} == set()


async def test_a_move_of_a_message_is_a_hot_update(fresh_database: str) -> None:
    engines = create_engines(fresh_database)
    await seed_tenant(engines)
    [key, *_] = await accept(engines, [a_new_message() for _ in range(20)])
    await engines.dispose()

    owner = await asyncpg.connect(fresh_database)
    await owner.execute(
        "UPDATE messages SET state = 'claimed', seq = seq + 1, updated_at = now() WHERE id = $1", key.message_id
    )
    await owner.execute("SELECT pg_stat_force_next_flush()")
    counted = await owner.fetchrow(
        "SELECT sum(n_tup_upd), sum(n_tup_hot_upd) FROM pg_stat_user_tables WHERE relname LIKE 'messages\\_%'"
    )
    await owner.close()

    assert counted is not None
    assert tuple(counted) == (1, 1)


async def test_the_communications_log_shows_public_names_and_no_addresses(
    owner: "asyncpg.Connection[asyncpg.Record]", database: str
) -> None:
    engines = create_engines(database)
    await seed_tenant(engines)
    await accept(engines, [a_new_message()])
    await engines.dispose()
    await owner.execute("UPDATE messages SET state = 'claimed'")

    [row] = await owner.fetch("SELECT * FROM communications_log")

    assert (row["status"], row["recipient"], row["payload"]) == (
        "queued",
        "+14*****2671",
        "template order_update (en_US)",
    )
    assert {"message_id", "error_reason", "created_at", "updated_at"} <= set(row.keys())
