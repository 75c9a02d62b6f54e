"""How many messages the send gate lets claims take, and how each send passes it."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import inf
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from messaging.application.messages.pacing import send_gate as send_gate_module
from messaging.application.messages.pacing import send_slots as send_slots_module
from messaging.application.messages.pacing.circuit_breakers import Clearance
from messaging.application.messages.pacing.concurrency_limit import FIRST, ConcurrencyLimit, SendPace
from messaging.application.messages.pacing.rate_limiting import RateLimiting
from messaging.application.messages.pacing.send_gate import SendGate
from messaging.application.messages.pacing.send_slots import AskAgainAt, SendSlots, Slot
from messaging.application.ports.due_messages import Due
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.pacing.fairness import Flow
from messaging.domain.messages.retry import SendResult, Sent
from messaging.domain.shared.ids import SenderId, TenantId
from tests.builders import SENDER, TEMPLATE, TENANT, a_sender, a_snapshot, a_state
from tests.fakes.installed import INSTALLED
from tests.fakes.rate_limits import InMemoryRateLimits
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import Counts

LANE = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)
OTHER = SenderId(UUID(int=22))
FLOWS = [Flow(TENANT, SENDER, TEMPLATE), Flow(TENANT, OTHER, TEMPLATE)]
NOW = 1_000.0
SENT = Sent(provider_message_id="wamid.1")


class World:
    """A gate in front of two senders of 80 messages a second. Time stands still, except where a send sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, concurrency: int = 8) -> None:
        self.now = NOW
        self.slept: list[float] = []
        self.clearances: dict[SenderId, Clearance] = {}
        self.asked: list[Mapping[SenderId, TenantId]] = []
        self.recorded: list[tuple[SendResult, float]] = []
        for module in (send_gate_module, send_slots_module):
            monkeypatch.setattr(module, "monotonic", lambda: self.now)
        snapshots = InMemorySnapshots(a_snapshot(senders=(a_sender(), a_sender(id=OTHER))))
        breakers: Any = self
        never = timedelta(hours=1)
        self.limit = ConcurrencyLimit(concurrency=concurrency, batch=100, pace=SendPace(slow_after=never))
        self.rate_limiting = RateLimiting(
            snapshots=snapshots, limits=InMemoryRateLimits(), telemetry=Counts(), providers=INSTALLED
        )
        self.gate = SendGate(
            breakers=breakers,
            rate_limiting=self.rate_limiting,
            concurrency=self.limit,
            slots=SendSlots(more=self._no_more, telemetry=Counts()),
        )

    # As the circuit breakers.

    async def admit(self, waiting: Mapping[SenderId, TenantId]) -> Mapping[SenderId, Clearance]:
        self.asked.append(waiting)
        return {sender: self.clearances.get(sender, Clearance()) for sender in waiting}

    async def record(self, message: MessageState, result: SendResult, *, began_ago: float) -> None:
        self.recorded.append((result, began_ago))

    async def _no_more(self, late: Any) -> list[AskAgainAt]:
        return [AskAgainAt(inf) for _ in late]

    def slows_down(self, sender: SenderId, *, count: int) -> None:
        for _ in range(count):
            self.limit._becomes_slow(self.limit.enter(a_state(sender_id=sender, priority=LANE.priority)))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture
def sleeps(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[float]]:
    """How long sends have slept; sleeping moves the time."""

    async def sleep(seconds: float) -> None:
        world.slept.append(seconds)
        world.now += seconds

    # Of this module alone: other parts of the process sleep, too.
    own = SimpleNamespace(**vars(asyncio) | {"sleep": sleep})
    monkeypatch.setattr(send_gate_module, "asyncio", own)
    return lambda: world.slept


def due(priority: Priority = Priority.DEFAULT, **changes: Any) -> Due:
    return Due(message=a_state(priority=priority, **changes), sealed=b"", flow_id=TEMPLATE, recipient_index=b"")


def opening_in(seconds: float) -> Slot:
    return Slot(NOW + seconds, NOW + seconds + 30.0)


# --- before a claim ---------------------------------------------------------------------------------------------------


async def test_a_healthy_sender_may_use_what_its_limit_leaves(world: World) -> None:
    assert await world.gate.at_once(LANE, FLOWS) == {SENDER: 36, OTHER: 36}
    assert world.asked == [{SENDER: TENANT, OTHER: TENANT}]
    assert world.gate.throttled() == []


async def test_a_breaker_narrows_and_slows_its_own_sender(world: World) -> None:
    world.clearances = {SENDER: Clearance(concurrency=1), OTHER: Clearance(rate_factor=0.5)}

    assert await world.gate.at_once(LANE, FLOWS) == {SENDER: 1, OTHER: 18}
    assert world.gate.throttled() == []


async def test_a_clearance_beyond_the_limit_gives_no_more_than_the_limit(world: World) -> None:
    world.clearances = {SENDER: Clearance(concurrency=100)}

    assert await world.gate.at_once(LANE, FLOWS[:1]) == {SENDER: 36}


async def test_a_held_sender_gets_nothing_and_is_left_alone_for_a_moment(world: World) -> None:
    world.clearances = {SENDER: Clearance(concurrency=0)}

    assert await world.gate.at_once(LANE, FLOWS) == {SENDER: 0, OTHER: 36}
    assert world.gate.throttled() == [(LANE, SENDER)]
    assert 0 < world.gate.throttled_for(LANE) < 0.2


async def test_a_sender_with_too_many_slow_sends_is_not_even_asked_about(world: World) -> None:
    world.slows_down(SENDER, count=2)

    assert await world.gate.at_once(LANE, FLOWS) == {SENDER: 0, OTHER: 36}
    assert world.asked == [{OTHER: TENANT}]
    assert world.gate.throttled() == [(LANE, SENDER)]


# --- sends ------------------------------------------------------------------------------------------------------------


async def test_a_send_counts_from_its_entry_to_its_end(world: World) -> None:
    async with world.gate.enter(due(Priority.LOW), opening_in(0)), world.gate.reserved(Priority.CRITICAL) as within:
        pass
    async with world.gate.reserved(Priority.CRITICAL) as afterwards:
        pass

    assert (within, afterwards) == (7, 8)


async def test_a_send_that_breaks_off_counts_no_longer(world: World) -> None:
    with pytest.raises(LookupError):
        async with world.gate.enter(due()):
            raise LookupError

    async with world.gate.reserved(Priority.CRITICAL) as free:
        assert free == 8


async def test_a_send_begins_a_head_start_before_its_slot_and_lends_its_concurrency_until_then(
    world: World, sleeps: Callable[[], list[float]]
) -> None:
    async with world.gate.enter(due(), opening_in(0.4)):
        assert sleeps() == pytest.approx([0.3])
    assert world.limit._used.total() == 0


@pytest.mark.parametrize("priority", [Priority.CRITICAL, Priority.HIGH])
async def test_urgent_sends_begin_at_once(world: World, sleeps: Callable[[], list[float]], priority: Priority) -> None:
    async with world.gate.enter(due(priority), opening_in(60)):
        assert sleeps() == []


@pytest.mark.parametrize(("opens_in", "pauses"), [(None, 0), (0.1, 0), (0.104, 0), (0.106, 1)])
async def test_a_send_without_a_slot_or_with_one_that_opens_soon_begins_at_once(
    world: World, sleeps: Callable[[], list[float]], opens_in: float | None, pauses: int
) -> None:
    async with world.gate.enter(due(), None if opens_in is None else opening_in(opens_in)):
        assert len(sleeps()) == pauses


async def test_whoever_takes_longer_to_get_ready_begins_earlier(
    world: World, sleeps: Callable[[], list[float]]
) -> None:
    for _ in range(50):
        async with world.gate.enter(due(Priority.CRITICAL), Slot(world.now, world.now + 30)) as permit:
            await permit.begin()
            world.now += 0.2
            assert await permit.wait_for_slot()

    async with world.gate.enter(due(), Slot(world.now + 10, world.now + 11)):
        assert sleeps() == [pytest.approx(10 - 0.2, abs=0.05)]


async def test_a_head_start_stays_within_its_bounds(world: World, sleeps: Callable[[], list[float]]) -> None:
    for took in (0.0, 5.0):
        for _ in range(100):
            async with world.gate.enter(due(Priority.CRITICAL), Slot(world.now, world.now + 30)) as permit:
                await permit.begin()
                world.now += took
                await permit.wait_for_slot()
        async with world.gate.enter(due(), Slot(world.now + 10, world.now + 11)):
            pass

    assert sleeps() == pytest.approx([10 - 0.02, 10 - 0.3])


async def test_a_permit_tells_whether_and_when_its_send_left(world: World) -> None:
    async with world.gate.enter(due(), opening_in(0)) as permit:
        await permit.begin()
        before = (permit.began, permit.left)
        world.now += 1.0

        assert await permit.wait_for_slot()
        assert (before, permit.began, permit.left) == ((NOW, False), NOW + 1.0, True)
        world.now += 0.25
        await permit.record(SENT)

    assert world.recorded == [(SENT, 0.25)]


async def test_a_send_for_which_no_slot_comes_in_time_does_not_leave(world: World) -> None:
    async with world.gate.enter(due()) as permit:
        await permit.begin()
        waiting = asyncio.create_task(permit.wait_for_slot())
        await asyncio.sleep(0)
        world.now += 5.0
        world.gate._slots.of(SENDER)._changed.set()

        assert not await waiting
        assert (permit.left, permit.began) == (False, NOW)


async def test_an_account_starts_with_few_sends_and_an_answer_lets_further_ones_begin(world: World) -> None:
    begun: list[int] = []
    answers = [asyncio.Event() for _ in range(8)]

    async def send(number: int) -> None:
        async with world.gate.enter(due(Priority.HIGH)) as permit:
            await permit.begin()
            begun.append(number)
            await answers[number].wait()
            permit.answered(clear=True)

    sends = [asyncio.create_task(send(number)) for number in range(8)]
    await settled()
    first = list(begun)
    answers[0].set()
    await settled()
    second = list(begun)
    for answer in answers:
        answer.set()
    await asyncio.gather(*sends)

    assert (first, second) == (list(range(FIRST)), list(range(FIRST + 2)))


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_closed_gate_grants_no_claim_anything(world: World) -> None:
    open_before = not world.gate.closed
    world.gate.close()

    async with world.gate.reserved(Priority.CRITICAL) as free:
        assert (open_before, free, world.gate.closed) == (True, 0, True)
