"""Writes starts and outcomes of attempts without row locks, in one statement that refuses changes of stale messages."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.announcing.of_messages import NOBODY
from messaging.adapters.postgres.messages.apply_changes import Noted, ignored, is_plain, write_each
from messaging.adapters.postgres.schema.weeks import Weeks
from messaging.adapters.postgres.session.transactions import autocommit
from messaging.application.ports.callbacks.listening import Listening
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import AccountId

# Index: parked_receipts_provider_message_idx.
ANY_PARKED: Final = """
SELECT EXISTS (
    SELECT FROM unnest($1::uuid[], $2::text[]) AS k(account_id, provider_message_id)
    CROSS JOIN LATERAL (
        SELECT FROM parked_receipts p
        WHERE p.account_id = k.account_id AND p.provider_message_id = k.provider_message_id
        LIMIT 1
    ) found
)
"""


class PostgresOptimisticWrites:
    """Writes starts and outcomes through the `system` engine; each write is a transaction of its own."""

    def __init__(self, engine: AsyncEngine, listening: Listening = NOBODY, *, noted: Noted = ignored) -> None:
        self._engine = engine
        self._noted = noted
        self._weeks = Weeks()
        self._listening = listening

    async def write(self, changes: Sequence[Change]) -> AbstractSet[MessageKey]:
        plain = [change for change in changes if is_plain(change)]
        if not plain:
            return frozenset()
        async with autocommit(self._engine) as driver:
            week = await self._weeks.of(driver, [change.key.message_id for change in plain])
            written = await write_each(driver, plain, week, self._listening)
        self._noted(plain)
        return written

    async def any_parked(self, learnt: Sequence[tuple[AccountId, str]]) -> bool:
        async with autocommit(self._engine) as driver:
            return bool(await driver.fetchval(ANY_PARKED, [account for account, _ in learnt], [id for _, id in learnt]))
