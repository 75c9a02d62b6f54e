"""Decides how many messages of each flow a claim takes, looking at a bounded part of the lane at a time."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final
from uuid import UUID

from messaging.application.ports.due_messages import DueMessages, View
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.pacing.fairness import FairShares, Flow
from messaging.domain.shared.ids import SenderId, TenantId

# The cost of one query is bounded; lanes with more tenants, or tenants with more flows, are covered by several queries
# in turn.
_VIEW: Final = View(tenants=32, flows=16)
# The most parts of a lane that one call looks at while nothing in them is due (all postponed or under way).
_MOST_LOOKS: Final = 50

AtOnce = Callable[[DeliverLane, Iterable[Flow]], Awaitable[Mapping[SenderId, int]]]


class FairShare:
    """Shares a lane's capacity among its flows. Each process does so alone: if each is fair, all together are."""

    def __init__(self, *, at_once: AtOnce, view: View = _VIEW) -> None:
        self._at_once = at_once
        self._views: defaultdict[DeliverLane, View] = defaultdict(lambda: view)
        self._shares: defaultdict[DeliverLane, FairShares] = defaultdict(FairShares)

    async def quotas(
        self, due_messages: DueMessages, lane: DeliverLane, concurrency: int, throttled: Collection[UUID]
    ) -> Mapping[Flow, int]:
        """The number of messages to claim of each flow, `concurrency` in total."""
        for _ in range(_MOST_LOOKS):
            view = self._views[lane]
            seen = await due_messages.flows_due(lane, view, concurrency=concurrency, throttled=throttled)
            self._views[lane] = _next(view, seen)
            waiting = {flow: count for flow, count in seen.items() if count}
            if waiting:
                at_most = await self._at_once(lane, waiting)
                return self._shares[lane].share(waiting, concurrency, at_most=at_most)
            if len({flow.tenant_id for flow in seen}) < view.tenants:
                break
        return {}


def _next(view: View, seen: Iterable[Flow]) -> View:
    """The next part of the lane: behind the last tenant seen and, for a tenant whose flows were not all seen, behind
    its last flow.
    """
    flows: dict[TenantId, list[Flow]] = {}
    for flow in seen:
        flows.setdefault(flow.tenant_id, []).append(flow)
    left_off = {tenant: flow for tenant, flow in view.left_off.items() if tenant not in flows}
    left_off |= {tenant: of[-1] for tenant, of in flows.items() if len(of) >= view.flows}
    return View(view.tenants, view.flows, behind=next(reversed(flows), None), left_off=left_off)
