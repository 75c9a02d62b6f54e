"""Finds attempts by the message ids of providers, and the failed attempt of each message that a person requeued."""

from collections.abc import Mapping, Sequence
from typing import Final

from messaging.adapters.postgres.schema.weeks import bounds, within
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.attempts import AttemptRef
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import AccountId, MessageId, TenantId

# Index: attempts_provider_message_idx.
FIND_ATTEMPTS: Final = """
SELECT a.account_id, a.provider_message_id, a.tenant_id, a.message_id, a.epoch
FROM unnest($1::uuid[], $2::text[]) AS k(account_id, provider_message_id)
JOIN attempts a ON a.account_id = k.account_id AND a.provider_message_id = k.provider_message_id
ORDER BY a.message_id, a.epoch
"""

# Index: events_pkey. The bounds let Postgres skip the other weeks' partitions.
FAILED_ATTEMPTS: Final = f"""
SELECT e.tenant_id, e.message_id, max((e.detail ->> 'failed_attempt')::int) AS epoch
FROM events e
WHERE e.tenant_id = ANY($1::uuid[]) AND e.message_id = ANY($2::uuid[]) AND {within(3, "e.message_id")}
  AND e.type = 'message.requeued' AND e.detail ->> 'failed_attempt' IS NOT NULL
GROUP BY e.tenant_id, e.message_id
"""


class PostgresAttempts:
    """Attempts, read in one open transaction of a tenant or of the platform."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Mapping[tuple[AccountId, str], AttemptRef]:
        accounts, texts = [account for account, _ in provider_ids], [text for _, text in provider_ids]
        # A provider that hands out one id twice is answered with the newest attempt that has it.
        return {
            (AccountId(row["account_id"]), row["provider_message_id"]): AttemptRef(
                key=MessageKey(TenantId(row["tenant_id"]), MessageId(row["message_id"])), epoch=row["epoch"]
            )
            for row in await self._driver.fetch(FIND_ATTEMPTS, accounts, texts)
        }

    async def known_failed(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, int]:
        if not keys:
            return {}
        ids = [key.message_id for key in keys]
        rows = await self._driver.fetch(FAILED_ATTEMPTS, {key.tenant_id for key in keys}, ids, *bounds(ids))
        return {MessageKey(TenantId(row["tenant_id"]), MessageId(row["message_id"])): row["epoch"] for row in rows}
