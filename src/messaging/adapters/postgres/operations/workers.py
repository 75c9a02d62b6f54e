"""The list of live workers: each worker writes its own row every few seconds; rows a day old are deleted."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.workers import SeenWorker
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority

# Seconds without a sign of life after which a worker counts as gone: four intervals, so that one missed on a busy
# machine or during a failover does not matter.
_SILENT_SECONDS: Final = 20.0

TELL: Final = """
WITH forgotten AS (DELETE FROM workers WHERE seen_at < statement_timestamp() - interval '1 day')
INSERT INTO workers AS w (name, lanes, inbox, started_at, seen_at)
VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp())
ON CONFLICT (name) DO UPDATE SET lanes = excluded.lanes, inbox = excluded.inbox, seen_at = excluded.seen_at
"""

SEEN: Final = """
SELECT w.name, w.lanes, w.inbox, w.started_at, extract(epoch FROM clock_timestamp() - w.seen_at)::float AS age
FROM workers w WHERE w.seen_at >= statement_timestamp() - interval '1 day' ORDER BY w.seen_at DESC
"""


class PostgresWorkers:
    """The list of workers, kept through the `system` engine.

    A crash of the server may lose the last second's writes, which workers repeat.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tell(self, name: str, lanes: Collection[DeliverLane], *, webhooks: bool) -> None:
        async with transaction(self._engine) as opened:
            await opened.driver.execute(TELL, name, sorted(map(_text, lanes)), webhooks)
            await opened.commit(durable=False)

    async def leave(self, name: str) -> None:
        async with transaction(self._engine) as opened:
            await opened.driver.execute("DELETE FROM workers WHERE name = $1", name)
            await opened.commit(durable=False)

    async def seen(self) -> Sequence[SeenWorker]:
        async with transaction(self._engine) as opened:
            rows = await opened.driver.fetch(SEEN)
        return [
            SeenWorker(
                name=row["name"],
                lanes=frozenset(lane for text in row["lanes"] if (lane := _lane(text)) is not None),
                webhooks=row["inbox"],
                started_at=row["started_at"],
                age=row["age"],
                is_live=row["age"] <= _SILENT_SECONDS,
            )
            for row in rows
        ]


def _text(lane: DeliverLane) -> str:
    return f"{lane.channel}/{lane.priority}"


def _lane(text: str) -> DeliverLane | None:
    """None for a lane that this release does not know: a worker of a newer release may have written it."""
    channel, _, priority = text.partition("/")
    try:
        return DeliverLane(Channel(channel), Priority(priority))
    except ValueError:
        return None
