"""Figures across all tenants for `app doctor`; none of these queries runs while messages are accepted or delivered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.schema.tables import provider_accounts, senders, tenants
from messaging.adapters.postgres.session.transactions import Driver, transaction
from messaging.application.ports.survey import AccountSeen
from messaging.domain.shared.ids import AccountId
from messaging.domain.tenants.tenant import Sender

_MOST: Final = 10_000

# Index: raw_webhooks_pkey, backwards, limited to the newest thousand webhooks of each tenant: for an account without
# any, the query would otherwise read them all.
LAST_WEBHOOKS: Final = """
SELECT newest.account_id, max(newest.received_at) AS last_at
FROM unnest($1::uuid[]) AS t(tenant_id)
CROSS JOIN LATERAL (
    SELECT r.account_id, r.received_at FROM raw_webhooks r
    WHERE r.tenant_id = t.tenant_id ORDER BY r.id DESC LIMIT 1000
) newest
GROUP BY newest.account_id
"""

# Index: raw_webhooks_aside_idx, which contains only webhooks that were set aside.
SET_ASIDE: Final = """
SELECT aside.account_id, count(*)::int AS count
FROM (SELECT r.account_id FROM raw_webhooks r WHERE r.problem IS NOT NULL ORDER BY r.id LIMIT 10000) aside
GROUP BY aside.account_id
"""

# Index: dead_letters_open_idx.
OPEN_DEAD_LETTERS: Final = """
SELECT count(*)::int FROM (SELECT FROM dead_letters d WHERE d.resolved_at IS NULL LIMIT 10000) open
"""


class PostgresSurvey:
    """Figures of all tenants, read through the `system` engine, each in a transaction of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def senders(self) -> Sequence[Sender]:
        async with transaction(self._engine) as opened:
            return await _active_senders(opened.core)

    async def accounts(self) -> Sequence[AccountSeen]:
        a, t = provider_accounts.c, tenants.c
        query = (
            sa.select(provider_accounts)
            .join(tenants, t.id == a.tenant_id)
            .where(a.status == "active", t.status == "active")
            .order_by(a.id.desc())
            .limit(_MOST)
        )
        async with transaction(self._engine) as opened:
            accounts = [rows.to_account(row) for row in await opened.core.execute(query)]
            with_senders = {sender.account_id for sender in await _active_senders(opened.core)}
            last = await _last_webhooks(opened.driver, sorted({account.tenant_id for account in accounts}))
        return [
            AccountSeen(
                account=account,
                has_senders=account.id in with_senders,
                last_webhook_at=last.get(account.id),
            )
            for account in accounts
        ]

    async def set_aside(self) -> Mapping[AccountId, int]:
        async with transaction(self._engine) as opened:
            return {AccountId(row["account_id"]): row["count"] for row in await opened.driver.fetch(SET_ASIDE)}

    async def open_dead_letters(self) -> int:
        return int(await self._value(OPEN_DEAD_LETTERS))

    async def now(self) -> datetime:
        now: datetime = await self._value("SELECT clock_timestamp()")
        return now

    async def database_bytes(self) -> int:
        return int(await self._value("SELECT pg_database_size(current_database())"))

    async def _value(self, query: str) -> Any:
        async with transaction(self._engine) as opened:
            return await opened.driver.fetchval(query)


async def _active_senders(core: AsyncConnection) -> Sequence[Sender]:
    s, a, t = senders.c, provider_accounts.c, tenants.c
    query = (
        sa.select(senders)
        .join(provider_accounts, sa.and_(a.tenant_id == s.tenant_id, a.id == s.account_id))
        .join(tenants, t.id == s.tenant_id)
        .where(s.status == "active", a.status == "active", t.status == "active")
        .limit(_MOST)
    )
    return [rows.to_sender(row) for row in await core.execute(query)]


async def _last_webhooks(driver: Driver, tenant_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    return {row["account_id"]: row["last_at"] for row in await driver.fetch(LAST_WEBHOOKS, tenant_ids)}
