"""The condition of one mode of a tenant, counted from messages and webhooks in memory."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.vitals import Heard
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, SenderId, TenantId
from tests.fakes.dead_letters import has_open_letter
from tests.fakes.messages import InMemoryTransaction
from tests.fakes.raw_webhooks import InMemoryRawWebhooks


class InMemoryVitals:
    """Bounds are counted within the mode."""

    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def lanes(self, *, most: int) -> Sequence[LaneDepth]:
        of_sender: defaultdict[tuple[DeliverLane, SenderId], list[datetime]] = defaultdict(list)
        for it in self._transaction.all():
            if it.waits_for(DispatchKind.DELIVER):
                of_sender[it.lane, it.state.sender_id].append(it.due_at)
        lanes: defaultdict[DeliverLane, list[datetime]] = defaultdict(list)
        for (lane, _), instants in of_sender.items():
            lanes[lane] += sorted(instants)[:most]
        return [self._depth(lane, lanes[lane]) for lane in sorted(lanes, key=lambda it: (it.channel, it.priority))]

    def _depth(self, lane: DeliverLane, instants: Sequence[datetime]) -> LaneDepth:
        due = [at for at in instants if at <= self._transaction.now]
        return LaneDepth(
            lane=lane, due=len(due), waiting=len(instants) - len(due), oldest_due_at=min(due, default=None)
        )

    async def open_dead_letters(self, *, most: int) -> int:
        return min(most, sum(map(has_open_letter, self._transaction.all())))

    async def unconfirmed(self, *, most: int) -> int:
        return min(most, sum(it.state.state is State.UNCONFIRMED for it in self._transaction.all()))


class InMemoryWebhooksHeard:
    """`accounts` are the tenant's, whether or not anything was heard of them."""

    def __init__(self, webhooks: InMemoryRawWebhooks, accounts: Sequence[AccountId]) -> None:
        self.accounts = accounts
        self._webhooks = webhooks

    async def of(self, tenant_id: TenantId) -> Mapping[AccountId, Heard]:
        return {account: self._heard(tenant_id, account) for account in self.accounts}

    def _heard(self, tenant_id: TenantId, account: AccountId) -> Heard:
        own = [it for it in self._webhooks.received if (it.tenant_id, it.account_id) == (tenant_id, account)]
        aside = sum(it.account_id == account for it, _ in self._webhooks.aside.values())
        return Heard(last_at=max((it.received_at for it in own), default=None), set_aside=aside)
