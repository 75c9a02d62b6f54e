"""Periodic maintenance: makes weekly partitions ahead, drops old ones, and deletes expired rows."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.health import Retention
from messaging.application.ports.telemetry import Telemetry

log = logging.getLogger(__name__)

# Rows deleted per transaction: few enough to stay well below the statement timeout. Two processes may purge at once.
_BITE: Final = 5_000

# Index: idempotency_keys_expires_idx. SKIP LOCKED skips an expired key that a request is taking over just then.
PURGE_KEYS: Final = """
DELETE FROM idempotency_keys k USING (
    SELECT scope, key FROM idempotency_keys WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
) AS old WHERE k.scope = old.scope AND k.key = old.key
"""

# Index: webhook_digests_received_idx. Providers repeat a webhook for up to 7 days; 30 days leave room for slower
# providers.
PURGE_DIGESTS: Final = """
DELETE FROM webhook_digests c USING (
    SELECT tenant_id, account_id, digest FROM webhook_digests
    WHERE received_at <= statement_timestamp() - interval '30 days'
    ORDER BY received_at LIMIT $1
) AS old WHERE c.tenant_id = old.tenant_id AND c.account_id = old.account_id AND c.digest = old.digest
"""

# Index: inbound_messages_received_idx. Rows are deleted, not partitions dropped: a table partitioned by week could not
# keep a provider's message ids unique.
PURGE_INBOUND: Final = """
DELETE FROM inbound_messages i USING (
    SELECT tenant_id, id FROM inbound_messages WHERE received_at <= statement_timestamp() - $2::interval
    ORDER BY received_at LIMIT $1
) AS old WHERE i.tenant_id = old.tenant_id AND i.id = old.id
"""

# Index: provider_events_received_idx.
PURGE_EVENTS: Final = """
DELETE FROM provider_events e USING (
    SELECT tenant_id, id FROM provider_events WHERE received_at <= statement_timestamp() - $2::interval
    ORDER BY received_at LIMIT $1
) AS old WHERE e.tenant_id = old.tenant_id AND e.id = old.id
"""

# Index: callback_secrets_expires_idx.
PURGE_SECRETS: Final = """
DELETE FROM callback_secrets s USING (
    SELECT tenant_id, endpoint_id, id FROM callback_secrets WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT $1
) AS old WHERE s.tenant_id = old.tenant_id AND s.endpoint_id = old.endpoint_id AND s.id = old.id
"""

# Events with their attempts and ends stay readable for 30 days; a week is dropped when all of it is older.
_EVENTS_KEPT: Final = timedelta(days=30)

ADOPT: Final = "SELECT adopt_former_dispatches($1)"

DROP_WEEK: Final = "SELECT drop_oldest_week($1, $2)"

# Seconds. Before a week of messages is dropped, all of it is read once to find unfinished messages. No lock is held
# during that: the locks are taken last, and a process that freezes while it holds them is ended by the limit on idle
# transactions.
_LOOKING_SECONDS: Final = 600
_UNHURRIED: Final = f"SET LOCAL statement_timeout = '{_LOOKING_SECONDS}s'; SET LOCAL transaction_timeout = 0"


class PostgresUpkeep:
    """Does the maintenance through the `system` engine; several processes may do it at once."""

    def __init__(self, engine: AsyncEngine, *, retention: Retention, telemetry: Telemetry) -> None:
        self._engine = engine
        self._retention = retention
        self._telemetry = telemetry

    async def ensure_partitions(self) -> None:
        async with transaction(self._engine) as opened:
            await opened.driver.fetchval("SELECT ensure_partitions()")
            await opened.commit()

    async def drop_old_partitions(self) -> Sequence[str]:
        dropped = [
            *await self._drop("messages", self._retention.messages),
            *await self._drop("raw_webhooks", self._retention.raw_webhooks),
            *await self._drop("callback_events", _EVENTS_KEPT),
        ]
        for partition in dropped:
            log.info("partition.dropped", extra={"partition": partition})
            self._telemetry.count("partitions_dropped", table=partition.rpartition("_")[0])
        return dropped

    async def purge_idempotency(self) -> int:
        """Delete expired idempotency keys, digests of webhooks too old to be repeated, and secrets of callbacks that
        sign nothing any more; return the number of keys deleted.
        """
        await self._purge(PURGE_DIGESTS)
        await self._purge(PURGE_SECRETS)
        return await self._purge(PURGE_KEYS)

    async def purge_inbound(self) -> int:
        kept = self._retention.messages
        return 0 if kept is None else await self._purge(PURGE_INBOUND, kept)

    async def purge_provider_events(self) -> int:
        kept = self._retention.raw_webhooks
        return 0 if kept is None else await self._purge(PURGE_EVENTS, kept)

    async def adopt_former_dispatches(self) -> int:
        """Convert `_BITE` rows of each kind in a transaction; migration 0030 says why here, and until when."""
        total = 0
        while True:
            async with transaction(self._engine) as opened:
                adopted = int(await opened.driver.fetchval(ADOPT, _BITE))
                await opened.commit()
            if not adopted:
                return total
            total += adopted

    async def _drop(self, family: str, kept: timedelta | None) -> Sequence[str]:
        """Drop one week per transaction, so that locks are held only for a moment."""
        dropped: list[str] = []
        while kept is not None:
            async with transaction(self._engine, settings=_UNHURRIED) as opened:
                week = await opened.driver.fetchval(DROP_WEEK, family, kept, timeout=_LOOKING_SECONDS)
                await opened.commit()
            if not week:
                break
            dropped += week
        return dropped

    async def _purge(self, statement: str, *arguments: object) -> int:
        total = 0
        while True:
            async with transaction(self._engine) as opened:
                gone = int((await opened.driver.execute(statement, _BITE, *arguments)).split()[-1])
                await opened.commit()
            total += gone
            if gone < _BITE:
                return total
