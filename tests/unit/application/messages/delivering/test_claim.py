"""What is taken up of a lane: who leaves, who waits, who is set apart, and what goes elsewhere on the way."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.application.messages.delivering import claim as claim_module
from messaging.application.messages.delivering.claim import ClaimDue, Claimed
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.pacing.fair_share import FairShare
from messaging.application.messages.pacing.rate_limiting import Admitted
from messaging.application.messages.pacing.send_slots import Slot
from messaging.application.ports.due_messages import Due
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import DispatchKind, MessageKey
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import SenderId
from tests.builders import SENDER
from tests.fakes.installed import CAPABILITIES_OF, all_can
from tests.unit.application.messages.stored import Stored, at, in_seconds, key_of

LANE = DeliverLane(Channel.WHATSAPP, Priority.DEFAULT)
OTHER = DeliverLane(Channel.WHATSAPP, Priority.LOW)
DELIVER = DispatchKind.DELIVER
SLOT = Slot(1.0, 2.0)


class World:
    """Messages that are due, and who of them gets tokens: all but those that are to wait for so long."""

    def __init__(self, capabilities: AccountCapabilities = CAPABILITIES_OF) -> None:
        self.stored = Stored()
        self.waits: dict[MessageKey, timedelta] = {}
        self.asked: list[int] = []
        self.most: dict[SenderId, int] = {}
        self.rests: list[tuple[DeliverLane, UUID]] = []
        self.held = 0.0
        doubles: Any = {"open_uow": self.stored.open_uow, "gate": self, "fair_share": FairShare(at_once=self.at_once)}
        terms = DeliveryTerms(worker="w1", lease=timedelta(seconds=30))
        self._claim = ClaimDue(terms=terms, capabilities=capabilities, **doubles)

    async def claim(self, places: int = 10) -> Claimed:
        return await self._claim(LANE, places)

    async def admit(self, lane: DeliverLane, leaving: Sequence[Due]) -> Admitted:
        self.asked += [_number(due) for due in leaving]
        keys = {_key(due) for due in leaving}
        waits = {key: wait for key, wait in self.waits.items() if key in keys}
        return Admitted(dict.fromkeys(keys - waits.keys(), SLOT), waits)

    async def at_once(self, lane: DeliverLane, flows: Iterable[Flow]) -> Mapping[SenderId, int]:
        return {flow.sender_id: self.most.get(flow.sender_id, 1_000) for flow in flows}

    def held_until(self, lane: DeliverLane, due: Due) -> float:
        return self.held

    def throttled(self) -> Sequence[tuple[DeliverLane, UUID]]:
        return self.rests

    def put(self, number: int, state: State = State.QUEUED, **changes: Any) -> None:
        self.stored.put(number, state, waits_for=DELIVER, since=100 - number, **changes)


def _key(due: Due) -> MessageKey:
    return key_of(int.from_bytes(due.recipient_index))


def _number(due: Due) -> int:
    return int.from_bytes(due.recipient_index)


def leaving(claimed: Claimed) -> list[int]:
    return [_number(claim.due) for claim in claimed.claims]


@pytest.fixture
def world() -> World:
    return World()


async def test_what_is_due_is_claimed_for_this_worker_and_leaves_in_its_slot(world: World) -> None:
    world.put(1)

    claimed = await world.claim()

    [claim] = claimed.claims
    assert (claim.slot, claimed.moved, claimed.maybe_poison) == (SLOT, 1, ())
    stored = world.stored.of(1)
    assert stored.state.attempt is not None
    assert (stored.state.state, stored.state.epoch, stored.state.attempt.lease_owner) == (State.CLAIMED, 1, "w1")
    assert world.stored.waits(1) == (DELIVER, in_seconds(30))
    assert claim.observed is not None
    assert (claim.epoch, claim.observed.by_now().epoch) == (1, 1)


@pytest.mark.parametrize(("held_for", "ready_since"), [(0.0, 99.0), (60.0, 60.0), (200.0, 99.0)])
async def test_a_message_is_ready_since_it_was_due_and_nothing_held_its_sender(
    world: World, monkeypatch: pytest.MonkeyPatch, held_for: float, ready_since: float
) -> None:
    monkeypatch.setattr(claim_module, "monotonic", lambda: 1_000.0)
    world.put(1)
    world.held = 1_000.0 - held_for if held_for else 0.0

    [claim] = (await world.claim()).claims

    assert claim.ready_at == 1_000.0 - ready_since


async def test_no_more_is_claimed_than_there_are_places_the_longest_due_first(world: World) -> None:
    for number in (3, 1, 2):
        world.put(number)

    assert leaving(await world.claim(2)) == [1, 2]
    assert world.stored.states()[3] is State.QUEUED


async def test_a_message_without_tokens_waits_in_the_queue_for_as_long_as_it_is_told(world: World) -> None:
    world.put(1)
    world.put(2)
    world.waits[key_of(1)] = in_seconds(6)

    claimed = await world.claim()

    assert (leaving(claimed), claimed.moved) == ([2], 1)
    assert (world.stored.states(), world.stored.waits(1)) == (
        {1: State.QUEUED, 2: State.CLAIMED},
        (DELIVER, in_seconds(6)),
    )


async def test_what_has_expired_ends_without_tokens(world: World) -> None:
    world.put(1, expires_at=at(0))
    world.put(2, expires_at=at(1))

    claimed = await world.claim()

    assert (world.asked, leaving(claimed), claimed.moved) == ([2], [2], 2)
    assert world.stored.states() == {1: State.EXPIRED, 2: State.CLAIMED}


async def test_what_a_lost_worker_may_have_sent_is_looked_at_at_once_where_nothing_can_be_learnt() -> None:
    world = World(all_can(Capabilities()))
    world.put(1, State.SENDING)

    await world.claim()

    assert world.stored.waits(1) == (DispatchKind.RESOLVE_UNKNOWN, in_seconds(0))


async def test_what_lost_workers_held_goes_back_or_waits_for_its_echo(world: World) -> None:
    world.put(1, State.CLAIMED)
    world.put(2, State.SENDING)

    claimed = await world.claim()

    assert (world.asked, claimed.claims, claimed.moved) == ([], (), 2)
    assert world.stored.states() == {1: State.QUEUED, 2: State.UNKNOWN}
    assert world.stored.of(1).state.claim_failures == 1


async def test_a_dispatch_of_what_has_moved_on_is_withdrawn(world: World) -> None:
    world.put(1, State.DELIVERED)

    claimed = await world.claim()

    assert (claimed, world.stored.waits(1)) == (Claimed(), None)
    assert world.stored.states() == {1: State.DELIVERED}


async def test_suspects_get_tokens_and_are_set_apart_unclaimed(world: World) -> None:
    world.put(1, claim_failures=1)
    world.put(2)
    world.put(3, claim_failures=1)
    world.waits[key_of(3)] = in_seconds(6)

    claimed = await world.claim()

    assert ([_number(due) for due in claimed.maybe_poison], leaving(claimed), claimed.moved) == ([1], [2], 1)
    assert world.stored.states() == {1: State.QUEUED, 2: State.CLAIMED, 3: State.QUEUED}
    assert [world.stored.waits(number) for number in (1, 3)] == [(DELIVER, in_seconds(2)), (DELIVER, in_seconds(6))]


async def test_who_rests_in_the_lane_is_left_alone_and_who_rests_in_another_is_not(world: World) -> None:
    world.put(1)
    world.rests = [(LANE, SENDER)]
    resting = await world.claim()
    world.rests = [(OTHER, SENDER)]

    assert (resting, leaving(await world.claim())) == (Claimed(), [1])


async def test_a_sender_that_can_send_none_now_has_none_locked(world: World) -> None:
    world.put(1)
    world.most[SENDER] = 0

    assert (await world.claim(), world.asked) == (Claimed(), [])


async def test_nothing_is_claimed_while_a_failover_is_unsettled(world: World) -> None:
    world.put(1)
    world.stored.server.switch()

    assert (await world.claim(), world.stored.states()) == (Claimed(), {1: State.QUEUED})
