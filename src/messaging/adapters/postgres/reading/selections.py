"""Selects the messages of a bulk action: undecided ones by filter, known ones by id; counts those of an account."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from messaging.adapters.postgres.reading.message_lists import LIST_SETTINGS, PageQuery
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.records import MessageFilter
from messaging.domain.shared.ids import AccountId, MessageId
from messaging.domain.shared.mode import TenantScope

# Index: messages_pkey.
KNOWN: Final = """
SELECT m.id FROM messages m
WHERE m.tenant_id = $1 AND m.id = ANY($2::uuid[]) AND m.id BETWEEN $3 AND $4 AND m.mode = $5
"""

# Counts an account's messages that still have to be sent. Indexes: senders_pkey, dispatches_pkey: the tenant's part of
# the outbox. Messages that only wait for a status (kind `poll_status`) were accepted by the provider and do not count.
UNDER_WAY: Final = """
SELECT count(*) FROM (
    SELECT FROM dispatches d JOIN senders s ON s.tenant_id = d.tenant_id AND s.id = d.sender_id
    WHERE d.tenant_id = $1 AND d.kind IN ('deliver', 'resolve_unknown') AND s.account_id = $2 AND s.mode = $3 LIMIT $4
) AS waiting
"""


class PostgresSelections:
    """Selects a tenant's messages of one mode in one open transaction; a transaction for both modes finds none."""

    def __init__(self, driver: Driver, scope: TenantScope) -> None:
        self._driver = driver
        self._scope = scope
        self._tenant_id, self._mode = scope

    async def undecided(self, wanted: MessageFilter, *, limit: int) -> Sequence[MessageId]:
        await self._driver.execute(LIST_SETTINGS)
        rows = await self._driver.fetch(*PageQuery(self._scope, wanted, None).undecided(limit))
        return [MessageId(row["id"]) for row in rows]

    async def known(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        rows = await self._driver.fetch(KNOWN, self._tenant_id, *with_bounds(ids), self._mode)
        return {MessageId(row["id"]) for row in rows}

    async def under_way(self, account_id: AccountId, *, most: int) -> int:
        count: int = await self._driver.fetchval(UNDER_WAY, self._tenant_id, account_id, self._mode, most)
        return count


def with_bounds(ids: Collection[MessageId]) -> tuple[list[MessageId], MessageId | None, MessageId | None]:
    """The ids, with the smallest and the largest, which let Postgres skip the other weeks' partitions."""
    return list(ids), min(ids, default=None), max(ids, default=None)
