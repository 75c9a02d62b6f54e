"""Which limits does a message pass through, and who waits for which?"""

from collections.abc import Sequence
from datetime import timedelta
from math import inf
from time import time
from typing import Any
from uuid import UUID

import pytest

from messaging.application.jobs import DeliverLane
from messaging.application.messages.admission import Admission, LimitTerms
from messaging.application.messages.guard_senders import GuardSenders
from messaging.application.messages.known_health import KnownHealth
from messaging.application.ports.lifecycles import Due
from messaging.application.ports.snapshots import Snapshots
from messaging.domain.messages.fairness import NO_FLOW, Flow
from messaging.domain.messages.message import Priority
from messaging.domain.messages.standing import MessageKey
from messaging.domain.shared.address import Channel
from messaging.domain.shared.ids import MessageId
from messaging.entrypoints.composition.clock import SystemClock
from tests.builders import ACCOUNT, SENDER, TEMPLATE, TENANT, a_sender, a_snapshot, a_standing
from tests.fakes.rate_limits import InMemoryRateLimits
from tests.fakes.sender_health import InMemoryHealthRecords
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.inbox.doubles import Counts

URGENT = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)
BULK = DeliverLane(Channel.WHATSAPP, Priority.LOW)
FLOW = Flow(TENANT, SENDER, TEMPLATE)


def a_guard(snapshots: Snapshots) -> GuardSenders:
    """Everybody is healthy."""
    records, clock = InMemoryHealthRecords(clock=time), SystemClock()
    return GuardSenders(health=KnownHealth(records=records, clock=clock, telemetry=Counts()), snapshots=snapshots)


def due(number: int, *, to: int | None = None, **changes: Any) -> Due:
    """To a recipient of its own, unless told otherwise."""
    standing = a_standing(key=MessageKey(TENANT, MessageId(UUID(int=number))))
    index = (number if to is None else to).to_bytes(32)
    fields: dict[str, Any] = {"standing": standing, "sealed": b"", "flow_id": TEMPLATE, "recipient_index": index}
    return Due(**(fields | changes))


class World:
    def __init__(self, *, per_second: int = 80, is_stuck: bool = False, **terms: Any) -> None:
        self.limits, self.counts = InMemoryRateLimits(), Counts()
        snapshots = InMemorySnapshots(a_snapshot(senders=(a_sender(per_second=per_second),)))
        self.admission = Admission(
            snapshots=snapshots,
            limits=self.limits,
            guard=a_guard(snapshots),
            is_stuck=lambda sender, priority: is_stuck,
            terms=LimitTerms(**terms),
            telemetry=self.counts,
        )

    async def admit(self, leaving: Sequence[Due], lane: DeliverLane = URGENT) -> list[int]:
        """How many of the messages may leave, by their numbers."""
        granted = (await self.admission(lane, leaving)).granted
        return sorted(key.message_id.int for key in granted)


async def test_a_sender_sends_what_its_limit_leaves_above_the_share_and_then_rests() -> None:
    world = World()

    assert await world.admit([due(number) for number in range(20)]) == list(range(8))
    assert world.admission.resting() == [(URGENT, SENDER)]
    assert 0 < world.admission.rest_of(URGENT) < 0.1
    assert world.counts.seen["sends_held_back{limit=sender}"] == 12


async def test_one_lane_resting_leaves_the_others_awake() -> None:
    world = World()
    await world.admit([due(number) for number in range(20)], BULK)

    assert world.admission.resting() == [(BULK, SENDER)]
    assert world.admission.rest_of(URGENT) == inf


async def test_a_campaign_leaves_tokens_for_an_urgent_message_of_the_same_sender() -> None:
    world = World()

    bulk = await world.admit([due(number) for number in range(20)], BULK)
    urgent = await world.admit([due(number) for number in range(20, 30)])

    assert (len(bulk), len(urgent)) == (4, 4)


async def test_who_writes_too_often_to_one_person_waits_alone() -> None:
    world = World(per_second=1_000)
    leaving = [due(number, to=1) for number in range(42)] + [due(100)]

    admitted = await world.admission(URGENT, leaving)

    assert len(admitted.granted) == 41
    first, second = (admitted.waits[MessageKey(TENANT, MessageId(UUID(int=number)))] for number in (40, 41))
    assert second - first == pytest.approx(timedelta(seconds=6 / 0.9), abs=timedelta(milliseconds=1))
    assert world.admission.resting() == []


async def test_other_channels_have_no_limit_for_a_pair() -> None:
    world = World(per_second=1_000)
    lane = DeliverLane(Channel.SMS, Priority.CRITICAL)

    assert len(await world.admit([due(number, to=1) for number in range(50)], lane)) == 50


@pytest.mark.parametrize(
    ("terms", "rests"),
    [({"tenant": 20.0}, TENANT), ({"account": 20.0}, SENDER), ({"flow": 20.0}, TEMPLATE)],
    ids=["tenant", "account", "flow"],
)
async def test_limits_of_the_platform_make_whom_they_concern_rest(terms: dict[str, Any], rests: UUID) -> None:
    world = World(**terms)

    assert len(await world.admit([due(number) for number in range(20)])) == 2
    assert world.admission.resting() == [(URGENT, rests)]


async def test_a_campaigns_limit_is_none_for_what_belongs_to_no_campaign() -> None:
    world = World(flow=10.0)

    assert len(await world.admit([due(number, flow_id=NO_FLOW) for number in range(8)])) == 8


async def test_a_stuck_sender_gets_nothing_and_is_left_alone_for_a_moment() -> None:
    world = World(is_stuck=True)

    assert await world.admission.at_once(URGENT, [FLOW]) == {SENDER: 0}
    assert world.admission.resting() == [(URGENT, SENDER)]


async def test_no_more_is_asked_for_than_could_be_granted() -> None:
    assert await World().admission.at_once(URGENT, [FLOW]) == {SENDER: 8}
    assert await World().admission.at_once(BULK, [FLOW]) == {SENDER: 4}
    assert await World(per_second=1).admission.at_once(BULK, [FLOW]) == {SENDER: 1}


async def test_a_message_of_one_account_is_counted_with_that_account() -> None:
    world = World(account=10.0)

    await world.admit([due(1)])

    assert f"account:{ACCOUNT}" in world.limits._tat
