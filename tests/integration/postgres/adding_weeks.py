"""How does a test come by a week that is long past, or far ahead?"""

from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from messaging.domain.shared.ids import MessageId

# All that is cut by the week of a message.
OF_MESSAGES: Final = ("messages", "contents", "attempts", "events")

_CREATE: Final = """
SELECT format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', partition_name($1, week), $1,
              uuid_floor(week), uuid_floor(week + interval '7 days'))
FROM date_trunc('week', $2::timestamptz, 'UTC') AS week
"""


async def add_week(owner: "asyncpg.Connection[asyncpg.Record]", table: str, at: datetime) -> None:
    """What ensure_partitions does for the week of `at`."""
    await owner.execute(await owner.fetchval(_CREATE, table, at))
    await owner.execute("SELECT prepare_partition($1, $2)", table, week_of(table, at))


def week_of(table: str, at: datetime) -> str:
    year, week, _ = at.isocalendar()
    return f"{table}_{year}w{week:02}"


def an_id(at: datetime, tail: int = 0) -> MessageId:
    """As UUIDv7 made then; `tail` tells those of one moment apart."""
    return MessageId(UUID(int=(int(at.timestamp() * 1000) << 80) + (7 << 76) + (2 << 62) + tail))
