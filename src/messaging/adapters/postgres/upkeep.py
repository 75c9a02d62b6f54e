"""What must be done to the tables every now and then?"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.transactions import transaction

# Small bites: each is its own transaction, well below the statement timeout. Two processes at it do no harm.
_BITE: Final = 5_000

# Index: idempotency_keys_expires_idx. SKIP LOCKED, so that a request just taking over an old key is not in the way.
PURGE_KEYS: Final = """
DELETE FROM idempotency_keys k USING (
    SELECT scope, key FROM idempotency_keys WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
) AS old WHERE k.scope = old.scope AND k.key = old.key
"""

# Index: callback_digests_received_idx. Meta repeats a callback for up to 7 days; 30 leave room for the slower.
PURGE_DIGESTS: Final = """
DELETE FROM callback_digests c USING (
    SELECT tenant_id, account_id, digest FROM callback_digests
    WHERE received_at <= statement_timestamp() - interval '30 days'
    ORDER BY received_at LIMIT $1
) AS old WHERE c.tenant_id = old.tenant_id AND c.account_id = old.account_id AND c.digest = old.digest
"""


class PostgresUpkeep:
    """Runs on the `system` engine; safe in several processes at once."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ensure_partitions(self) -> None:
        async with transaction(self._engine) as opened:
            await opened.driver.fetchval("SELECT ensure_partitions()")
            await opened.commit()

    async def purge_idempotency(self) -> int:
        """Also forgets the digests of callbacks that cannot be repeated any more; returns how many keys went."""
        await self._purge(PURGE_DIGESTS)
        return await self._purge(PURGE_KEYS)

    async def _purge(self, statement: str) -> int:
        total = 0
        while True:
            async with transaction(self._engine) as opened:
                gone = int((await opened.driver.execute(statement, _BITE)).split()[-1])
                await opened.commit()
            total += gone
            if gone < _BITE:
                return total
