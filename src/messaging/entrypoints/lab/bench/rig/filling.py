"""Fills the tables with messages of past weeks, copied from real ones straight into the database, within minutes.

Each copy is a whole message: its row, content, attempt and events, sealed under its own id, found by its own recipient.
Only the times, the recipient and the reference differ from the prototype. Columns are read from the catalogue, so that
this keeps up with migrations.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from messaging.application.messages.reading import payload
from messaging.application.ports.secrets import TenantCipher
from messaging.domain.channels.address import Phone
from messaging.domain.shared.ids import MessageId
from messaging.entrypoints.lab.bench.rig.books import open_books

CHUNK: Final = 10_000
# Connections: one makes the next rows while the others' rows are being inserted.
_CONNECTIONS: Final = 3
# Weeks to fill, counted back from the present one. The last week is left out, so that what other measurements write
# stays apart.
_OLDEST_WEEK, _NEWEST_WEEK = 5, 2
_RECIPIENTS: Final = 100_000
# One message in so many is a copy of the failed prototype.
_FAILED_EVERY: Final = 20

# A year of weeks, as many as are kept by default: a statement that opens them all costs more with each.
_PARTITIONS: Final = """
DO $$
DECLARE
    parent text;
    part text;
    week timestamptz;
BEGIN
    FOREACH parent IN ARRAY ARRAY['messages', 'contents', 'attempts', 'events'] LOOP
        FOR n IN 2..52 LOOP
            week := (date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC') - n * interval '7 days')
                    AT TIME ZONE 'UTC';
            part := partition_name(parent, week);
            CONTINUE WHEN to_regclass(quote_ident(part)) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           part, parent, uuid_floor(week), uuid_floor(week + interval '7 days'));
            PERFORM prepare_partition(parent, part);
        END LOOP;
    END LOOP;
END
$$
"""
_STAGING: Final = """
CREATE TEMP TABLE clones (
    number bigint, id uuid, prototype uuid, shift interval, recipient_index bytea, reference text, sealed bytea
)
"""
# The prototypes are alone in the tables: among millions of copies they would have to be searched for, copy by copy.
_PROTOTYPES: Final = (
    "CREATE TEMP TABLE like_{table} AS SELECT * FROM {table} WHERE tenant_id = '{tenant}' AND {key} IN ({ids})"
)
_COLUMNS: Final = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position
"""
# Expressions for what a copy does not share with its prototype; times are shifted everywhere.
_OWN: Final[Mapping[str, Mapping[str, str]]] = {
    "messages": {"id": "c.id", "recipient_index": "c.recipient_index", "reference": "c.reference"},
    "contents": {"message_id": "c.id", "sealed": "c.sealed"},
    "attempts": {"message_id": "c.id", "provider_message_id": "p.provider_message_id || c.number"},
    "events": {"message_id": "c.id"},
}


Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Row = tuple[Any, ...]


class Prototype(Struct, frozen=True, kw_only=True):
    """A real message that has reached its final state."""

    id: MessageId
    created_at: datetime
    payload: payload.Payload


class Filling:
    """Fills the tables. `tenant` owns everything; `url` is for a superuser, who is exempt from row security and foreign
    keys.
    """

    def __init__(self, url: str, *, tenant: UUID, cipher: TenantCipher, read: MessageId, failed: MessageId) -> None:
        self._url = url
        self._tenant = tenant
        self._cipher = cipher
        self._ids = (read, failed)

    async def __call__(self, count: int) -> None:
        """Adds `count` messages, evenly over four past weeks, and leaves the tables as autovacuum would have by now."""
        async with AsyncExitStack() as stack:
            books = [await stack.enter_async_context(open_books(self._url)) for _ in range(_CONNECTIONS)]
            connections = [each.connection for each in books]
            await _make_partitions(connections[0])
            chunks = self._chunks(count, [await self._prototype(connections[0], id) for id in self._ids])
            async with asyncio.TaskGroup() as group:
                for connection in connections:
                    group.create_task(self._load(connection, chunks))
            for table in _OWN:
                await connections[0].execute(f"VACUUM (ANALYZE) {table}")

    async def _load(self, connection: Connection, chunks: Iterator[Iterator[Row]]) -> None:
        await connection.execute("SET synchronous_commit = off; SET session_replication_role = replica")
        await connection.execute(_STAGING)
        copies = [await self._copy_statement(connection, table) for table in _OWN]
        for rows in chunks:
            await connection.copy_records_to_table("clones", records=rows)
            for statement in copies:
                await connection.execute(statement)
            await connection.execute("TRUNCATE clones")

    async def _copy_statement(self, connection: Connection, table: str) -> str:
        """The statement that inserts a chunk's rows of a table, made from those of the prototypes."""
        key = "id" if table == "messages" else "message_id"
        ids = ", ".join(f"'{id}'" for id in self._ids)
        await connection.execute(_PROTOTYPES.format(table=table, tenant=self._tenant, key=key, ids=ids))
        columns = {row["column_name"]: row["data_type"] for row in await connection.fetch(_COLUMNS, table)}
        values = [_OWN[table].get(name, _shifted(name, kind)) for name, kind in columns.items()]
        # Names come from the catalogue, expressions from the table above.
        return (
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608
            f"FROM clones c JOIN like_{table} p ON p.{key} = c.prototype"
        )

    async def _prototype(self, connection: Connection, id: MessageId) -> Prototype:
        row = await connection.fetchrow(
            "SELECT created_at, sealed FROM messages m JOIN contents c ON c.tenant_id = m.tenant_id "
            "AND c.message_id = m.id WHERE m.tenant_id = $1 AND m.id = $2",
            self._tenant,
            id,
        )
        assert row is not None
        opened = payload.decode(self._cipher.open(payload.context(id), row["sealed"]))
        return Prototype(id=id, created_at=row["created_at"], payload=opened)

    def _chunks(self, count: int, prototypes: Sequence[Prototype]) -> Iterator[Iterator[Row]]:
        indexes = [self._cipher.blind_index(recipient(number)) for number in range(min(count, _RECIPIENTS))]
        start, length = _span(datetime.now(UTC))
        for first in range(0, count, CHUNK):
            numbers = range(first, min(first + CHUNK, count))
            yield (self._row(number, start + length * number / count, prototypes, indexes) for number in numbers)

    def _row(self, number: int, at: datetime, prototypes: Sequence[Prototype], indexes: Sequence[bytes]) -> Row:
        read, failed = prototypes
        id, like = _id_at(at), read if number % _FAILED_EVERY else failed
        whom = number % len(indexes)
        content = payload.encode(replace(like.payload, to=Phone(recipient(whom))))
        sealed = self._cipher.seal(payload.context(id), content)
        return number, id, like.id, at - like.created_at, indexes[whom], reference(number), sealed


async def _make_partitions(connection: Connection) -> None:
    owner = await connection.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'messages'")
    await connection.execute(f'SET ROLE "{owner}"; {_PARTITIONS}; RESET ROLE')


def recipient(number: int) -> str:
    return f"+1777{number % _RECIPIENTS:07d}"


def reference(number: int) -> str:
    return f"past-{number:08d}"


def _shifted(column: str, kind: str) -> str:
    return f"p.{column} + c.shift" if kind == "timestamp with time zone" else f"p.{column}"


def _span(now: datetime) -> tuple[datetime, timedelta]:
    """The time that the filling covers, from the beginning of the oldest week on."""
    monday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
    return monday - timedelta(weeks=_OLDEST_WEEK), timedelta(weeks=_OLDEST_WEEK - _NEWEST_WEEK + 1)


def _id_at(at: datetime) -> MessageId:
    """A UUIDv7 made for that instant."""
    milliseconds = int(at.timestamp() * 1000)
    return MessageId(
        UUID(int=milliseconds << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62))
    )
