"""Detects a failover or restore of Postgres, and finds the messages whose state it puts in doubt."""

from collections.abc import Sequence
from typing import Final

from messaging.adapters.postgres.session.transactions import Driver
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import MessageId, TenantId

# An empty platform_identity means that no change of server was ever seen, so claims are open.
CLAIMS_ARE_OPEN: Final = """
SELECT COALESCE(i.settled AND (i.system_identifier, i.timeline) = (p.system_identifier, p.timeline), true)
FROM present_identity() p LEFT JOIN platform_identity i ON i.one
"""

NOTICE: Final = """
INSERT INTO platform_identity AS i (system_identifier, timeline) SELECT p.* FROM present_identity() p
ON CONFLICT (one) DO UPDATE
SET system_identifier = excluded.system_identifier, timeline = excluded.timeline, settled = false,
    switched_at = clock_timestamp()
WHERE (i.system_identifier, i.timeline) <> (excluded.system_identifier, excluded.timeline)
"""

UNSETTLED: Final = "SELECT EXISTS (SELECT FROM platform_identity i WHERE i.one AND NOT i.settled)"

# One process at a time recovers from a failover. Every version takes the same lock, so its name never changes.
TAKE_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtext('messaging.quarantine'))"

# Indexes: dispatches_lane_idx, attempts_one_open. Messages accepted after the switch have a younger dispatch, so none
# of their rows can have been lost. How long a message was due does not matter: rates and priorities decide when it is
# sent.
DOUBTFUL: Final = """
WITH switch AS (SELECT i.switched_at FROM platform_identity i WHERE i.one)
(
    SELECT d.tenant_id, d.subject_id AS message_id
    FROM dispatches d JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.subject_id
    WHERE d.kind = 'deliver' AND d.due_at <= (SELECT switched_at FROM switch)
      AND d.created_at <= (SELECT switched_at FROM switch) AND m.state IN ('scheduled', 'queued')
    LIMIT $1
)
UNION
(
    SELECT a.tenant_id, a.message_id
    FROM attempts a JOIN messages m ON m.tenant_id = a.tenant_id AND m.id = a.message_id
    WHERE a.is_open AND m.state IN ('claimed', 'sending')
    LIMIT $1
)
"""

SETTLE: Final = "UPDATE platform_identity SET settled = true WHERE one"


class PostgresFailovers:
    """The server's identity and the messages in doubt, in one open transaction of the `system` engine."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def claims_are_open(self) -> bool:
        return bool(await self._driver.fetchval(CLAIMS_ARE_OPEN))

    async def notice(self) -> bool:
        if not await self.claims_are_open():
            await self._driver.execute(NOTICE)
        return bool(await self._driver.fetchval(UNSETTLED))

    async def take_turn(self) -> bool:
        return bool(await self._driver.fetchval(TAKE_TURN)) and bool(await self._driver.fetchval(UNSETTLED))

    async def doubtful(self, limit: int) -> Sequence[MessageKey]:
        rows = await self._driver.fetch(DOUBTFUL, limit)
        return [MessageKey(TenantId(row["tenant_id"]), MessageId(row["message_id"])) for row in rows]

    async def settle(self) -> None:
        await self._driver.execute(SETTLE)
