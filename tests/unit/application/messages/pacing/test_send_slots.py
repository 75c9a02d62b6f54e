"""Who leaves in which slot, and what becomes of those that find none."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from uuid import UUID

import pytest

from messaging.application.messages.pacing import send_slots as slots_module
from messaging.application.messages.pacing.send_slots import AskAgainAt, SenderSlots, SendSlots, Slot
from messaging.application.ports.due_messages import Due
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import MessageId
from tests.builders import SENDER, TEMPLATE, TENANT, a_state
from tests.unit.application.webhooks.doubles import Counts

OPEN = 30.0


def due(number: int, priority: Priority = Priority.DEFAULT) -> Due:
    key = MessageKey(TENANT, MessageId(UUID(int=number)))
    return Due(message=a_state(key=key, priority=priority), sealed=b"", flow_id=TEMPLATE, recipient_index=b"")


def opening_in(seconds: float) -> Slot:
    return Slot(monotonic() + seconds, monotonic() + seconds + OPEN)


MISSED = Slot(1.0, 2.0)


class World:
    """New slots are handed out as `given`; without any left, it is told to ask again soon."""

    def __init__(self, *given: Slot | Exception) -> None:
        self.given = list(given)
        self.asked: list[int] = []
        self.left: list[int] = []
        self.counts = Counts()
        self.slots = SendSlots(more=self._more, telemetry=self.counts)

    async def _more(self, late: Sequence[Due]) -> Sequence[Slot | AskAgainAt]:
        self.asked += [each.message.key.message_id.int for each in late]
        return [self._give() for _ in late]

    def _give(self) -> Slot | AskAgainAt:
        given = self.given.pop(0) if self.given else AskAgainAt(monotonic() + 0.01)
        if isinstance(given, Exception):
            raise given
        return given

    def expect(self, slot: Slot | None) -> SenderSlots:
        slots = self.slots.of(SENDER)
        slots.expect(slot)
        return slots

    async def leave(self, number: int, slots: SenderSlots, priority: Priority = Priority.DEFAULT) -> bool:
        may_leave = await slots.wait(due(number, priority))
        if may_leave:
            self.left.append(number)
        slots.leave()
        return may_leave


async def test_what_is_ready_leaves_in_its_slot() -> None:
    world = World()
    slot = opening_in(0.02)

    assert await world.leave(1, world.expect(slot))
    assert world.asked == []
    assert slot.opens - 0.002 < monotonic() < slot.closes


async def test_what_missed_its_slot_gets_another_one() -> None:
    world = World(opening_in(0))

    assert await world.leave(1, world.expect(MISSED))
    assert world.asked == [1]
    assert world.counts.seen["slots_missed{}"] == 1


async def test_what_was_claimed_without_a_slot_gets_one() -> None:
    world = World(opening_in(0))

    assert await world.leave(1, world.expect(None))
    assert world.asked == [1]


async def test_a_slot_is_for_whoever_is_ready_when_it_opens() -> None:
    world = World()
    slow, quick = world.expect(opening_in(0.02)), world.expect(opening_in(60))

    assert await world.leave(2, quick)
    waiting = asyncio.create_task(world.leave(1, slow))
    await asyncio.sleep(0.05)

    assert world.left == [2]
    assert world.asked == []
    waiting.cancel()


async def test_the_urgent_pass_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(slots_module, "monotonic", lambda: now)
    world = World()
    slots = world.expect(Slot(0.1, OPEN))
    world.expect(Slot(0.2, OPEN))

    leaving = [
        asyncio.create_task(world.leave(1, slots)),
        asyncio.create_task(world.leave(2, slots, Priority.CRITICAL)),
    ]
    await asyncio.sleep(0)
    now = 1.0
    await asyncio.gather(*leaving)

    assert world.left == [2, 1]


async def test_without_a_slot_it_is_asked_for_one_again_and_again() -> None:
    world = World()
    waiting = asyncio.create_task(world.leave(1, world.expect(None)))
    while len(world.asked) < 3:
        await asyncio.sleep(0.005)
    world.given.append(opening_in(0))

    assert await waiting


async def test_what_would_have_to_wait_too_long_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "_LONGEST_WAIT", 0.05)
    world = World(opening_in(60))

    assert not await world.leave(1, world.expect(None))


async def test_when_no_slot_can_be_asked_for_those_who_wait_are_told() -> None:
    world = World(StoreUnavailable(), opening_in(0))

    with pytest.raises(StoreUnavailable):
        await world.leave(1, world.expect(None))
    assert await world.leave(2, world.expect(None))
