"""Reads what callbacks are made of when they are posted: endpoints, live secrets, and the bodies of events."""

from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any, Final, cast

from asyncpg import Record

from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.session.columns import transposed
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.delivering.lanes import EndpointKey
from messaging.application.ports.callbacks.delivering.targets import EventKey, StoredBodies, Target
from messaging.domain.callbacks.endpoint import DisabledReason

# Index: callback_endpoints_pkey.
ENDPOINTS: Final = """
SELECT e.* FROM callback_endpoints e
JOIN unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id) ON e.tenant_id = k.tenant_id AND e.id = k.id
WHERE e.url_encrypted IS NOT NULL
"""

# Index: callback_secrets_pkey. OFFSET 0 keeps it a look for each endpoint, however few secrets there were when the plan
# was made.
SECRETS: Final = """
SELECT s.* FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id)
CROSS JOIN LATERAL (
    SELECT l.* FROM callback_secrets l
    WHERE l.tenant_id = k.tenant_id AND l.endpoint_id = k.id
      AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
    OFFSET 0
) s
ORDER BY s.created_at DESC, s.id DESC
"""

# Index: callback_events_pkey, of the week of each.
BODIES: Final = """
SELECT k.tenant_id, k.id, e.* FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id)
CROSS JOIN LATERAL (
    SELECT c.type, c.body_encrypted, c.trace_id FROM callback_events c WHERE c.tenant_id = k.tenant_id AND c.id = k.id
    OFFSET 0
) e
"""

# Index: callback_endpoints_pkey.
DISABLE: Final = """
UPDATE callback_endpoints SET status = 'disabled', disabled_reason = $3, updated_at = clock_timestamp()
WHERE tenant_id = $1 AND id = $2 AND status = 'enabled'
"""


class PostgresCallbackTargets:
    """Endpoints and bodies, in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def targets(self, endpoints: Collection[EndpointKey]) -> Mapping[EndpointKey, Target]:
        keys = transposed(list(endpoints), 2)
        secrets: dict[EndpointKey, list[Record]] = {}
        for row in await self._driver.fetch(SECRETS, *keys):
            secrets.setdefault(EndpointKey(row["tenant_id"], row["endpoint_id"]), []).append(row)
        found: dict[EndpointKey, Target] = {}
        for row in await self._driver.fetch(ENDPOINTS, *keys):
            key = EndpointKey(row["tenant_id"], row["id"])
            live = [rows.to_secret(_attributes(secret)) for secret in secrets.get(key, ())]
            endpoint = rows.to_endpoint(_attributes(row))
            found[key] = Target(endpoint=endpoint, secrets=live)
        return found

    async def bodies(self, events: Collection[EventKey]) -> Mapping[EventKey, StoredBodies]:
        return {
            EventKey(row["tenant_id"], row["id"]): StoredBodies(
                type=row["type"], sealed=row["body_encrypted"], trace_id=row["trace_id"]
            )
            for row in await self._driver.fetch(BODIES, *transposed(list(events), 2))
        }

    async def disable(self, endpoint: EndpointKey, reason: DisabledReason) -> bool:
        return await self._driver.execute(DISABLE, *endpoint, reason) == "UPDATE 1"


def _attributes(row: Record) -> Any:
    """The row as Core would give it, whose columns are attributes."""
    return cast(Any, SimpleNamespace(**row))
