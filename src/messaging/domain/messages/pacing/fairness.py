"""Deficit round robin that divides free send capacity between tenants, their senders, and the flows of each sender."""

from collections.abc import Hashable, Mapping
from math import floor
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from messaging.domain.shared.ids import SenderId, TenantId

# The flow of messages that belong to no template or campaign.
NO_FLOW: Final = UUID(int=0)

# No more deficits than this are remembered; forgetting one costs its owner at most one message.
_MEMORY: Final = 10_000
_ROUNDING: Final = 1e-9

Child = TypeVar("Child", bound=Hashable)


class Flow(NamedTuple):
    """A unit of fair sharing within a lane: messages of one sender that belong together, such as of one template."""

    tenant_id: TenantId
    sender_id: SenderId
    flow_id: UUID


class FairShares:
    """Divides capacity fairly. Each division credits every child its fair part; whole messages are served, and the
    fraction is kept as a deficit for the next division. Equal children are thus served equally even when there is less
    capacity than children.
    """

    def __init__(self) -> None:
        self._deficits: dict[Hashable, float] = {}

    def share(
        self, waiting: Mapping[Flow, int], concurrency: int, *, at_most: Mapping[SenderId, int] | None = None
    ) -> dict[Flow, int]:
        """How many of each flow's waiting messages may be sent; all of `concurrency` is used while any message waits.

        `at_most` bounds what a sender can use now. Among equals the order of `waiting` decides.
        """
        if len(self._deficits) > _MEMORY:
            self._deficits.clear()
        tenants: dict[TenantId, dict[SenderId, dict[Flow, int]]] = {}
        for flow, count in waiting.items():
            tenants.setdefault(flow.tenant_id, {}).setdefault(flow.sender_id, {})[flow] = count
        bounds: Mapping[SenderId, int] = at_most or {}
        wants = {
            tenant: {
                sender: min(count, bounds.get(sender, count))
                for sender, flows in senders.items()
                for count in (sum(flows.values()),)
            }
            for tenant, senders in tenants.items()
        }
        shares: dict[Flow, int] = {}
        for tenant, of_tenant in self._divide({tenant: sum(of.values()) for tenant, of in wants.items()}, concurrency):
            for sender, of_sender in self._divide(wants[tenant], of_tenant):
                shares.update(self._divide(tenants[tenant][sender], of_sender))
        return shares

    def _divide(self, wants: Mapping[Child, int], concurrency: int) -> list[tuple[Child, int]]:
        left = min(concurrency, sum(wants.values()))
        owed = {child: self._deficits.get(child, 0.0) + fair for child, fair in _max_min(wants, left).items()}
        served = dict.fromkeys(wants, 0)
        for child in sorted(wants, key=owed.__getitem__, reverse=True):
            served[child] = min(wants[child], max(0, floor(owed[child] + _ROUNDING)), left)
            left -= served[child]
        while left:
            hungry = [child for child in wants if served[child] < wants[child]]
            for child in sorted(hungry, key=lambda child: owed[child] - served[child], reverse=True)[:left]:
                served[child] += 1
                left -= 1
        for child, count in served.items():
            self._carry(child, 0.0 if count == wants[child] else owed[child] - count)
        return [(child, count) for child, count in served.items() if count]

    def _carry(self, child: Hashable, deficit: float) -> None:
        """Keep a deficit of at most one message either way; a child that got all it wanted keeps none."""
        if deficit:
            self._deficits[child] = max(-1.0, min(1.0, deficit))
        else:
            self._deficits.pop(child, None)


def _max_min(wants: Mapping[Child, int], concurrency: int) -> dict[Child, float]:
    """Equal parts; what children with few messages leave unused is divided among the others."""
    left = float(concurrency)
    parts: dict[Child, float] = {}
    for number, child in enumerate(sorted(wants, key=wants.__getitem__)):
        parts[child] = min(float(wants[child]), left / (len(wants) - number))
        left -= parts[child]
    return parts
