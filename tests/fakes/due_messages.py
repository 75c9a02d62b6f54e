"""What is due in a lane, in memory: counted flow by flow, and locked by quota."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from messaging.application.ports.due_messages import Due, View
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.shared.ids import TenantId
from tests.fakes.messages import InMemoryTransaction, StoredMessage

T = TypeVar("T", TenantId, Flow)


class InMemoryDueMessages:
    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def flows_due(
        self, lane: DeliverLane, view: View, *, concurrency: int, throttled: Collection[UUID]
    ) -> Mapping[Flow, int]:
        flows = {it.flow for it in self._transaction.all() if it.waits_for(DispatchKind.DELIVER) and it.lane == lane}
        tenants = _ring({flow.tenant_id for flow in flows}, view.behind)[: view.tenants]
        of_tenants = (_ring({flow for flow in flows if flow.tenant_id == it}, view.left_off.get(it)) for it in tenants)
        seen = [flow for of_tenant in of_tenants for flow in of_tenant[: view.flows]]
        most = 1 + 2 * concurrency // max(1, len(seen))
        return {flow: 0 if {*flow} & {*throttled} else min(most, len(self._due(lane, flow))) for flow in seen}

    async def lock_due(self, lane: DeliverLane, quotas: Mapping[Flow, int]) -> Sequence[Due]:
        locked: list[StoredMessage] = []
        for flow, quota in quotas.items():
            locked += await self._transaction.lock_unlocked(self._due(lane, flow), quota)
        now = self._transaction.now
        return tuple(
            Due(
                message=it.at(now),
                sealed=it.sealed,
                flow_id=it.flow_id,
                recipient_index=it.recipient_index,
                due_at=it.due_at,
            )
            for it in sorted(locked, key=lambda stored: stored.due_at)
        )

    def _due(self, lane: DeliverLane, flow: Flow) -> list[StoredMessage]:
        return [it for it in self._transaction.due(DispatchKind.DELIVER) if it.flow == flow and it.lane == lane]


def _ring(members: Collection[T], behind: T | None) -> list[T]:
    """In order, beginning behind the one named, and round to it."""
    ordered = sorted(members)
    after = [it for it in ordered if behind is not None and it > behind]
    return after + [it for it in ordered if it not in after]
