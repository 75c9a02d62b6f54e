"""How does a table get old within minutes? Messages of past weeks, copied from real ones straight into the database.

Each is a whole message: its row, content, attempt and events, sealed under its own id, found by its own recipient. Only
the times, the recipient and the reference differ from the prototype. Columns are read from the catalogue, so that this
keeps up with migrations.
"""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from messaging.application.messages import payload
from messaging.application.ports.secrets import TenantCipher
from messaging.domain.shared.address import Phone
from messaging.domain.shared.ids import MessageId

CHUNK: Final = 10_000
# Weeks before the present one. The last week is left out: what the other measurements write stays apart.
_OLDEST_WEEK, _NEWEST_WEEK = 5, 2
_RECIPIENTS: Final = 100_000
# One in so many is a copy of the failed prototype.
_FAILED_EVERY: Final = 20

_PARTITIONS: Final = """
DO $$
DECLARE
    parent text;
    part text;
    week timestamptz;
BEGIN
    FOREACH parent IN ARRAY ARRAY['messages', 'contents', 'attempts', 'events'] LOOP
        FOR n IN 2..5 LOOP
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
_COLUMNS: Final = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position
"""
# What a copy does not share with its prototype; times are shifted everywhere.
_OWN: Final[Mapping[str, Mapping[str, str]]] = {
    "messages": {"id": "c.id", "recipient_index": "c.recipient_index", "reference": "c.reference"},
    "contents": {"message_id": "c.id", "sealed": "c.sealed"},
    "attempts": {"message_id": "c.id", "provider_message_id": "p.provider_message_id || c.number"},
    "events": {"message_id": "c.id"},
}


class Prototype(Struct, frozen=True, kw_only=True):
    """A real message that has come to its end."""

    id: MessageId
    created_at: datetime
    payload: payload.Payload


class Filling:
    """`tenant` owns everything; `connection` is a superuser's, which row security and foreign keys do not hold up."""

    def __init__(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        *,
        tenant: UUID,
        cipher: TenantCipher,
        read: MessageId,
        failed: MessageId,
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._cipher = cipher
        self._ids = (read, failed)

    async def __call__(self, count: int) -> None:
        """Add `count` messages, evenly over four past weeks, and leave the tables as autovacuum would have by now."""
        await self._prepare()
        copies = [await self._copy_statement(table) for table in _OWN]
        read, failed = [await self._prototype(id) for id in self._ids]
        indexes = [self._cipher.blind_index(recipient(number)) for number in range(min(count, _RECIPIENTS))]
        for first in range(0, count, CHUNK):
            numbers = range(first, min(first + CHUNK, count))
            rows = self._rows(numbers, count, read, failed, indexes)
            await self._connection.copy_records_to_table("clones", records=rows)
            for statement in copies:
                await self._connection.execute(statement)
            await self._connection.execute("TRUNCATE clones")
        await self._connection.execute("DROP TABLE clones; RESET synchronous_commit; RESET session_replication_role")
        for table in _OWN:
            await self._connection.execute(f"VACUUM (ANALYZE) {table}")

    async def _prepare(self) -> None:
        owner = await self._connection.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'messages'")
        await self._connection.execute(f'SET ROLE "{owner}"; {_PARTITIONS}; RESET ROLE')
        await self._connection.execute("SET synchronous_commit = off; SET session_replication_role = replica")
        await self._connection.execute(_STAGING)

    async def _copy_statement(self, table: str) -> str:
        columns = {row["column_name"]: row["data_type"] for row in await self._connection.fetch(_COLUMNS, table)}
        values = [_OWN[table].get(name, _shifted(name, kind)) for name, kind in columns.items()]
        key = "id" if table == "messages" else "message_id"
        # Names from the catalogue, expressions from above.
        return (
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608
            f"FROM clones c JOIN {table} p ON p.tenant_id = '{self._tenant}' AND p.{key} = c.prototype"
        )

    async def _prototype(self, id: MessageId) -> Prototype:
        row = await self._connection.fetchrow(
            "SELECT created_at, sealed FROM messages m JOIN contents c ON c.tenant_id = m.tenant_id "
            "AND c.message_id = m.id WHERE m.tenant_id = $1 AND m.id = $2",
            self._tenant,
            id,
        )
        assert row is not None
        opened = payload.decode(self._cipher.open(payload.context(id), row["sealed"]))
        return Prototype(id=id, created_at=row["created_at"], payload=opened)

    def _rows(
        self, numbers: range, count: int, read: Prototype, failed: Prototype, indexes: list[bytes]
    ) -> Iterator[tuple[Any, ...]]:
        start, length = _span(datetime.now(UTC))
        for number in numbers:
            at = start + length * number / count
            id = _id_at(at)
            like = read if number % _FAILED_EVERY else failed
            whom = number % len(indexes)
            content = payload.encode(replace(like.payload, to=Phone(recipient(whom))))
            sealed = self._cipher.seal(payload.context(id), content)
            yield number, id, like.id, at - like.created_at, indexes[whom], reference(number), sealed


def recipient(number: int) -> str:
    return f"+1777{number % _RECIPIENTS:07d}"


def reference(number: int) -> str:
    return f"past-{number:08d}"


def _shifted(column: str, kind: str) -> str:
    return f"p.{column} + c.shift" if kind == "timestamp with time zone" else f"p.{column}"


def _span(now: datetime) -> tuple[datetime, timedelta]:
    """From the beginning of the oldest week on."""
    monday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
    return monday - timedelta(weeks=_OLDEST_WEEK), timedelta(weeks=_OLDEST_WEEK - _NEWEST_WEEK + 1)


def _id_at(at: datetime) -> MessageId:
    """A UUIDv7 of that instant."""
    milliseconds = int(at.timestamp() * 1000)
    return MessageId(
        UUID(int=milliseconds << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62))
    )
