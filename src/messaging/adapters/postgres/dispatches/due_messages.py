"""Due messages of a lane: counts them per flow without locks, and locks as many of each flow as its quota allows."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from messaging.adapters.postgres.dispatches.due import FLOWS_DUE, PICK_DUE
from messaging.adapters.postgres.messages.lifecycles import MessageStates
from messaging.adapters.postgres.messages.locks import LOCK_PICKED
from messaging.adapters.postgres.session.columns import transposed
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.due_messages import Due, View
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.shared.ids import SenderId, TenantId

_NIL: Final = UUID(int=0)


class PostgresDueMessages:
    """Counts and locks due messages in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver, states: MessageStates) -> None:
        self._driver = driver
        self._states = states

    async def flows_due(
        self, lane: DeliverLane, view: View, *, concurrency: int, throttled: Collection[UUID]
    ) -> Mapping[Flow, int]:
        rows = await self._driver.fetch(
            FLOWS_DUE,
            lane.channel,
            lane.priority,
            view.behind or _NIL,
            view.tenants,
            view.flows,
            *transposed(view.left_off.values(), 3),
            concurrency,
            list(throttled),
        )
        return {
            Flow(TenantId(row["tenant_id"]), SenderId(row["sender_id"]), row["flow_id"]): row["count"] for row in rows
        }

    async def lock_due(self, lane: DeliverLane, quotas: Mapping[Flow, int]) -> Sequence[Due]:
        wanted = transposed([(*flow, quota) for flow, quota in quotas.items()], 4)
        picked = await self._driver.fetch(PICK_DUE, lane.channel, lane.priority, *wanted)
        if not picked:
            return ()
        tenants, ids = [row["tenant_id"] for row in picked], [row["subject_id"] for row in picked]
        locked = await self._driver.fetch(LOCK_PICKED.format(week=await self._states.week_of(ids)), tenants, ids)
        by_id = {row["id"]: row for row in locked}
        rows = [by_id[id] for id in ids if id in by_id]
        dispatches = {row["subject_id"]: row for row in picked}
        return tuple(
            Due(
                message=message,
                sealed=row["sealed"],
                flow_id=dispatches[row["id"]]["flow_id"],
                due_at=dispatches[row["id"]]["due_at"],
                recipient_index=row["canonical_index"] or row["recipient_index"],
            )
            for row, message in zip(rows, await self._states.read(rows), strict=True)
        )
