"""The dispatches (outbox rows) of messages: tells which lanes have due ones, postpones and deletes them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from messaging.adapters.postgres.dispatches.due import LANES, LANES_DUE
from messaging.adapters.postgres.messages.apply_changes import UNSCHEDULE
from messaging.adapters.postgres.session.columns import transposed
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import DispatchKind, MessageKey
from messaging.domain.shared.ids import MessageId, TenantId

# Index: dispatches_pkey.
POSTPONE: Final = """
UPDATE dispatches d SET due_at = clock_timestamp() + k.wait
FROM unnest($1::uuid[], $2::uuid[], $3::interval[]) AS k(tenant_id, subject_id, wait)
WHERE d.tenant_id = k.tenant_id AND d.subject_id = k.subject_id AND d.kind = $4
"""

# Indexes: dispatches_other_idx, parked_receipts_next_look_idx.
KINDS_DUE: Final = """
SELECT wanted.kind
FROM unnest($1::text[]) AS wanted(kind)
WHERE EXISTS (
    SELECT FROM dispatches d
    WHERE d.kind <> 'deliver' AND d.kind = wanted.kind AND d.due_at <= statement_timestamp()
    -- Keeps it a look for each kind: the planner might gather the kinds of all that is due instead, and hash them.
    OFFSET 0
) OR (wanted.kind = 'rematch' AND EXISTS (
    SELECT FROM parked_receipts p WHERE p.next_look_at <= statement_timestamp()
))
"""


class PostgresDispatches:
    """Dispatches, read and changed in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def lanes_with_work(
        self, kinds: Sequence[DispatchKind], *, throttled: Collection[tuple[DeliverLane, UUID]] = ()
    ) -> Sequence[DispatchKind | DeliverLane]:
        found: list[DispatchKind | DeliverLane] = []
        if DispatchKind.DELIVER in kinds:
            rests = transposed([(lane.channel, lane.priority, id) for lane, id in throttled], 3)
            found.extend(
                DeliverLane(channel=Channel(row["channel"]), priority=Priority(row["priority"]))
                for row in await self._driver.fetch(LANES_DUE, *zip(*LANES, strict=True), *rests)
            )
        if others := [kind for kind in kinds if kind is not DispatchKind.DELIVER]:
            found.extend(DispatchKind(row["kind"]) for row in await self._driver.fetch(KINDS_DUE, others))
        return found

    async def postpone(
        self, waits: Mapping[MessageKey, timedelta], *, kind: DispatchKind = DispatchKind.DELIVER
    ) -> None:
        if waits:
            tenants, ids = _columns(list(waits))
            await self._driver.execute(POSTPONE, tenants, ids, list(waits.values()), kind)

    async def unschedule(self, keys: Sequence[MessageKey]) -> None:
        if keys:
            await self._driver.execute(UNSCHEDULE, *_columns(keys))


def _columns(keys: Sequence[MessageKey]) -> tuple[list[TenantId], list[MessageId]]:
    return [tenant for tenant, _ in keys], [id for _, id in keys]
