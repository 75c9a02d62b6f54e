"""The limits that a message passes, and who waits for which."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from math import inf
from time import time
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from messaging.application.messages.pacing import rate_limiting as rate_limiting_module
from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.messages.pacing.rate_limiting import LimitTerms, RateLimiting
from messaging.application.messages.pacing.send_slots import AskAgainAt, Slot
from messaging.application.ports.due_messages import Due
from messaging.application.ports.rate_limits import Bucket, Verdict
from messaging.application.ports.snapshots import Snapshots
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.channels.limits import PairLimit, SendLimits
from messaging.domain.content.content import Text
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.pacing.fairness import NO_FLOW, Flow
from messaging.domain.shared.ids import MessageId
from messaging.entrypoints.composition.clock import SystemClock
from tests.builders import ACCOUNT, SENDER, TEMPLATE, TENANT, a_sender, a_snapshot, a_state
from tests.fakes.installed import INSTALLED
from tests.fakes.rate_limits import InMemoryRateLimits
from tests.fakes.sender_health import InMemoryHealthRecords
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import Counts

URGENT = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)
BULK = DeliverLane(Channel.WHATSAPP, Priority.LOW)
FLOW = Flow(TENANT, SENDER, TEMPLATE)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the time by which slots are told, which stands still otherwise."""
    now = [1_000.0]
    monkeypatch.setattr(rate_limiting_module, "monotonic", lambda: now[0])

    def forward(seconds: float) -> None:
        now[0] += seconds

    return forward


def breakers(snapshots: Snapshots) -> CircuitBreakers:
    """Everybody is healthy."""
    records, clock = InMemoryHealthRecords(clock=time), SystemClock()
    return CircuitBreakers(health=HealthCache(records=records, clock=clock, telemetry=Counts()), snapshots=snapshots)


def due(number: int, *, to: int | None = None, **changes: Any) -> Due:
    """To a recipient of its own, unless told otherwise."""
    message = a_state(key=MessageKey(TENANT, MessageId(UUID(int=number))))
    index = (number if to is None else to).to_bytes(32)
    fields: dict[str, Any] = {"message": message, "sealed": b"", "flow_id": TEMPLATE, "recipient_index": index}
    return Due(**(fields | changes))


class World:
    def __init__(self, *, per_second: int = 80, of_provider: SendLimits | None = None, **terms: Any) -> None:
        cloud = INSTALLED["whatsapp_cloud"]
        limited = cloud if of_provider is None else replace(cloud, limits=of_provider)
        self.limits, self.counts = InMemoryRateLimits(), Counts()
        self.snapshots = snapshots = InMemorySnapshots(a_snapshot(senders=(a_sender(per_second=per_second),)))
        self.rate_limiting = RateLimiting(
            snapshots=snapshots,
            limits=self.limits,
            providers={"whatsapp_cloud": limited},
            terms=LimitTerms(**terms),
            telemetry=self.counts,
        )

    async def admit(self, leaving: Sequence[Due], lane: DeliverLane = URGENT) -> list[int]:
        """How many of the messages may leave, by their numbers."""
        granted = (await self.rate_limiting.admit(lane, leaving)).granted
        return sorted(key.message_id.int for key in granted)

    async def left(self, lane: DeliverLane = URGENT, *, rate_factor: float = 1.0) -> int:
        return await self.rate_limiting.left(lane, FLOW, rate_factor=rate_factor)


async def test_a_sender_gets_the_slots_of_half_a_second_and_then_rests() -> None:
    world = World()

    assert await world.admit([due(number) for number in range(50)]) == list(range(36))
    assert world.rate_limiting.throttled() == [(URGENT, SENDER)]
    assert 0 < world.rate_limiting.throttled_for(URGENT) < 0.2
    assert world.counts.seen["sends_held_back{limit=sender}"] == 14


async def test_it_is_remembered_until_when_a_sender_was_held(clock: Callable[[float], None]) -> None:
    world = World()
    before = world.rate_limiting.held_until(URGENT, due(1))
    await world.admit([due(number) for number in range(50)])
    ends = 1_000.0 + world.rate_limiting.throttled_for(URGENT)
    clock(60.0)

    assert before == 0.0
    assert world.rate_limiting.throttled() == []
    assert world.rate_limiting.held_until(URGENT, due(100)) == ends
    assert world.rate_limiting.held_until(BULK, due(100)) == 0.0


async def test_slots_follow_each_other_at_the_pace_and_are_open_for_half_of_what_the_share_leaves() -> None:
    world = World()

    granted = (await world.rate_limiting.admit(URGENT, [due(number) for number in range(12)])).granted

    *_, first, second, third = (granted[MessageKey(TENANT, MessageId(UUID(int=number)))] for number in range(12))
    assert [second.opens - first.opens, third.opens - second.opens] == pytest.approx([1 / 72, 1 / 72], abs=1e-5)
    assert third.closes - third.opens == pytest.approx(0.5 / 9, abs=0.03)


async def test_who_is_far_from_all_limits_need_not_be_punctual() -> None:
    world = World()

    [slot] = (await world.rate_limiting.admit(URGENT, [due(1)])).granted.values()

    assert slot.closes - slot.opens == pytest.approx(0.5)


async def test_who_missed_its_slot_gets_one_behind_those_of_all_others() -> None:
    world = World()
    granted = (await world.rate_limiting.admit(URGENT, [due(number) for number in range(50)])).granted

    slots = await world.rate_limiting.again([due(1), due(2)])

    assert all(isinstance(slot, Slot) for slot in slots)
    last = max(slot.opens for slot in granted.values())
    assert [slot[0] - last for slot in slots] == pytest.approx([1 / 72, 2 / 72], abs=0.01)
    assert await world.admit([due(100)]) == []


async def test_where_there_is_none_it_is_told_when_to_ask_again() -> None:
    world = World(per_second=1)
    await world.admit([due(1)])

    first, second = await world.rate_limiting.again([due(2), due(3)])

    assert isinstance(first, AskAgainAt)
    assert isinstance(second, AskAgainAt)
    assert second.at >= first.at > 1_000.0


async def test_one_lane_resting_leaves_the_others_awake() -> None:
    world = World()
    await world.admit([due(number) for number in range(20)], BULK)

    assert world.rate_limiting.throttled() == [(BULK, SENDER)]
    assert world.rate_limiting.throttled_for(URGENT) == inf


async def test_a_campaign_leaves_tokens_for_an_urgent_message_of_the_same_sender() -> None:
    world = World()

    bulk = await world.admit([due(number) for number in range(50)], BULK)
    urgent = await world.admit([due(number) for number in range(50, 100)])

    assert (len(bulk), len(urgent)) == (14, 22)


async def test_who_writes_too_often_to_one_person_waits_alone() -> None:
    world = World(per_second=1_000)
    leaving = [due(number, to=1) for number in range(42)] + [due(100)]

    admitted = await world.rate_limiting.admit(URGENT, leaving)

    assert len(admitted.granted) == 41
    first, second = (admitted.waits[MessageKey(TENANT, MessageId(UUID(int=number)))] for number in (40, 41))
    assert second - first == pytest.approx(timedelta(seconds=6 / 0.9), abs=timedelta(milliseconds=1))
    assert world.rate_limiting.throttled() == []


async def test_a_provider_that_names_no_limit_for_a_pair_has_none() -> None:
    world = World(per_second=1_000, of_provider=SendLimits(per_second=80))

    assert len(await world.admit([due(number, to=1) for number in range(50)])) == 50


@pytest.mark.parametrize(
    ("terms", "rests"),
    [({"tenant": 20.0}, TENANT), ({"account": 20.0}, SENDER), ({"flow": 20.0}, TEMPLATE)],
    ids=["tenant", "account", "flow"],
)
async def test_limits_of_the_platform_make_whom_they_concern_rest(terms: dict[str, Any], rests: UUID) -> None:
    world = World(**terms)

    assert len(await world.admit([due(number) for number in range(20)])) == 9
    assert world.rate_limiting.throttled() == [(URGENT, rests)]


async def test_a_campaigns_limit_is_none_for_what_belongs_to_no_campaign() -> None:
    world = World(flow=10.0)

    assert len(await world.admit([due(number, flow_id=NO_FLOW) for number in range(8)])) == 8


async def test_a_sender_that_is_held_is_left_alone_for_a_tenth_of_a_second_in_that_lane(
    clock: Callable[[float], None],
) -> None:
    world = World()

    world.rate_limiting.hold(URGENT, [SENDER])

    assert world.rate_limiting.throttled() == [(URGENT, SENDER)]
    assert world.rate_limiting.throttled_for(URGENT) == pytest.approx(0.1)
    assert world.rate_limiting.throttled_for(BULK) == inf
    clock(0.101)
    assert world.rate_limiting.throttled() == []


async def test_a_slowed_sender_has_fewer_slots_and_gets_them_at_that_rate() -> None:
    world = World()

    assert await world.left(rate_factor=0.5) == 18
    assert await world.admit([due(number) for number in range(50)]) == list(range(18))
    assert await World().left(rate_factor=1.0) == 36


async def test_no_more_is_asked_for_than_could_be_granted() -> None:
    assert await World().left() == 36
    assert await World().left(BULK) == 14
    assert await World(per_second=1).left(BULK) == 1


async def test_what_this_process_has_been_given_is_not_asked_for_again() -> None:
    world = World()
    await world.admit([due(number) for number in range(30)])

    assert await world.left() == pytest.approx(7, abs=1)


async def test_twice_what_others_left_the_last_time_is_asked_for(clock: Callable[[float], None]) -> None:
    world = World()
    bucket = Bucket(key=f"sender:{SENDER}", interval=1 / 72, burst=36)
    await world.limits.take([[bucket]] * 33)
    await world.admit([due(number) for number in range(20)])
    clock(10)

    assert await world.left() == 6


async def test_a_message_of_one_account_is_counted_with_that_account() -> None:
    world = World(account=10.0)

    await world.admit([due(1)])

    assert f"account:{ACCOUNT}" in world.limits._tat


# --- limits in a provider's own terms ---------------------------------------------------------------------------------


async def test_a_pair_is_limited_as_its_provider_says() -> None:
    world = World(of_provider=SendLimits(per_second=80, per_pair=PairLimit(interval=timedelta(seconds=60), burst=4)))

    # At nine tenths of the limit.
    assert await world.admit([due(number, to=7) for number in range(5)]) == [0, 1, 2]


async def test_an_account_sends_no_more_in_24_hours_than_its_provider_says() -> None:
    world = World(of_provider=SendLimits(per_second=80, per_day=10))

    granted = sum([len(await world.admit([due(number)])) for number in range(10)])
    held = await world.admit([due(10)])
    rests = world.rate_limiting.throttled_for(URGENT)
    world.limits.now += 24 * 3600

    assert (granted, held) == (9, [])
    assert world.counts.seen["sends_held_back{limit=day}"] == 2
    # It is looked at again soon, because its messages may expire meanwhile.
    assert 0 < rests <= 30
    assert await world.admit([due(10)]) == [10]


async def test_a_day_that_is_used_up_takes_no_token_of_the_sender() -> None:
    world = World(of_provider=SendLimits(per_second=80, per_day=1))
    await world.admit([due(1)])
    before = dict(world.limits._tat)

    assert await world.admit([due(2)]) == []
    assert world.limits._tat == before


IN_SEGMENTS = SendLimits(per_second=2, unit="segment")


@pytest.mark.parametrize(
    ("limits", "channel", "text", "units"),
    [
        (IN_SEGMENTS, Channel.SMS, Text(body="a" * 160), 1),
        (IN_SEGMENTS, Channel.SMS, Text(body="a" * 400), 3),
        (IN_SEGMENTS, Channel.SMS, Text(body="😀" * 36), 2),
        (IN_SEGMENTS, Channel.WHATSAPP, Text(body="a" * 400), 1),
        (SendLimits(per_second=2), Channel.SMS, Text(body="a" * 400), 1),
    ],
    ids=["one", "three", "emoji", "channel without", "counted in messages"],
)
def test_a_text_is_as_long_as_its_segments_where_those_are_counted(
    limits: SendLimits, channel: Channel, text: Text, units: int
) -> None:
    world = World(of_provider=limits)

    assert world.rate_limiting.units("whatsapp_cloud", channel, text) == units
    assert world.rate_limiting.units("another", channel, text) == 1


async def test_whoever_comes_after_a_text_of_three_segments_waits_for_all_of_them() -> None:
    world = World(per_second=2, of_provider=IN_SEGMENTS, share=1.0)
    await world.admit([due(1)])

    await world.rate_limiting.charge(due(1), 3)

    denied = []
    for _ in range(3):
        denied.append(await world.admit([due(2)]))
        world.limits.now += 0.5
    assert (denied, await world.admit([due(2)])) == ([[], [], []], [2])


# --- by a clock that stands still unless told to go on ----------------------------------------------------------------


class Told:
    """Limits that answer as they are told to; `buckets` are what the last message was to get its tokens from."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = list(verdicts)
        self.buckets: Sequence[Bucket] = ()

    async def charge(self, bucket: Bucket, tokens: int) -> None:
        raise NotImplementedError

    async def take(self, wanted: Sequence[Sequence[Bucket]]) -> Sequence[Verdict]:
        self.buckets = wanted[-1] if wanted else ()
        return [self.verdicts.pop(0) if self.verdicts else Verdict() for _ in wanted]


class Clocked(World):
    """Time is what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *verdicts: Verdict, **terms: Any) -> None:
        super().__init__(**terms)
        self.told = Told(*verdicts)
        self.rate_limiting._limits = self.told
        self.now = 1_000.0
        monkeypatch.setattr(rate_limiting_module, "monotonic", lambda: self.now)


def denied(by: int, seconds: float) -> Verdict:
    return Verdict(by, timedelta(seconds=seconds))


async def test_each_limit_is_asked_at_the_share_of_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Clocked(monkeypatch, share=0.5, tenant=100.0, account=40.0, flow=20.0)

    await world.admit([due(1)])

    buckets = {bucket.key.split(":")[0]: bucket for bucket in world.told.buckets}
    rates = {"sender": 40, "tenant": 50, "account": 20, "flow": 10, "pair": 0.5 / 6}
    assert {name: 1 / bucket.interval for name, bucket in buckets.items()} == pytest.approx(rates)
    assert [bucket.burst for bucket in buckets.values()] == [20, 25, 10, 5, 22]
    assert [bucket.window for bucket in buckets.values()] == [0, 0, 0, 0, 3]


@pytest.mark.parametrize(
    ("priority", "burst"), [(Priority.CRITICAL, 36), (Priority.HIGH, 28), (Priority.DEFAULT, 18), (Priority.LOW, 14)]
)
async def test_the_less_urgent_reach_less_far_ahead(
    monkeypatch: pytest.MonkeyPatch, priority: Priority, burst: int
) -> None:
    world = Clocked(monkeypatch)

    await world.admit([due(1)], DeliverLane(Channel.WHATSAPP, priority))

    assert world.told.buckets[0].burst == burst


async def test_a_sender_that_is_not_known_is_asked_for_at_the_slowest_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Clocked(monkeypatch)
    world.snapshots.tenants.clear()

    await world.admit([due(1)])

    assert world.told.buckets[0].interval == pytest.approx(1 / 0.9)
    assert world.told.buckets[0].burst == 1


async def test_whose_limit_was_empty_rests_until_a_third_of_its_burst_has_gathered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Clocked(monkeypatch, denied(0, 2.0))
    await world.admit([due(1)])
    rest = 2.0 + 12 / 72

    assert world.rate_limiting.throttled_for(URGENT) == pytest.approx(rest)
    world.now += rest - 0.001
    assert world.rate_limiting.throttled() == [(URGENT, SENDER)]
    world.now += 0.002
    assert (world.rate_limiting.throttled(), world.rate_limiting.throttled_for(URGENT)) == ([], inf)


async def test_a_message_waits_alone_for_its_recipient_and_exactly_as_long_as_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Clocked(monkeypatch, Verdict(), denied(1, 2.0))

    admitted = await world.rate_limiting.admit(URGENT, [due(1), due(2)])

    assert [key.message_id.int for key in admitted.granted] == [1]
    assert {key.message_id.int: wait for key, wait in admitted.waits.items()} == {2: timedelta(seconds=2)}
    assert world.rate_limiting.throttled() == []
    assert world.counts.seen == {"sends_held_back{limit=pair}": 1}


@pytest.mark.parametrize(
    ("verdict", "opens", "closes"),
    [
        (Verdict(None, timedelta(seconds=1)), 1_001.0, 1_001.0 + 0.5 / 9),
        (Verdict(None, timedelta(seconds=1), calm=True), 1_001.0, 1_001.5),
    ],
)
async def test_a_slot_opens_when_told_and_is_open_for_what_the_share_leaves(
    monkeypatch: pytest.MonkeyPatch, verdict: Verdict, opens: float, closes: float
) -> None:
    world = Clocked(monkeypatch, verdict)

    [slot] = await world.rate_limiting.again([due(1)])

    assert isinstance(slot, Slot)
    assert [slot.opens, slot.closes] == pytest.approx([opens, closes])


async def test_whoever_is_denied_is_told_the_time_to_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Clocked(monkeypatch, denied(0, 1.0))

    assert await world.rate_limiting.again([due(1)]) == [AskAgainAt(1_001.0)]


async def test_limits_that_are_slow_to_answer_leave_a_slot_open_for_a_moment_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Clocked(monkeypatch)
    slow = Told()
    take = slow.take

    async def takes_a_second(wanted: Sequence[Sequence[Bucket]]) -> Sequence[Verdict]:
        world.now += 1
        return await take(wanted)

    monkeypatch.setattr(slow, "take", takes_a_second)
    world.rate_limiting._limits = slow

    [slot] = await world.rate_limiting.again([due(1)])

    assert isinstance(slot, Slot)
    assert [slot.opens, slot.closes] == pytest.approx([1_001.0, 1_001.02])


async def test_what_was_given_away_is_left_out_until_its_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Clocked(monkeypatch, Verdict(None, timedelta(seconds=0.25)))
    await world.admit([due(1)])

    assert await world.left() == 36 - 18
    world.now += 0.125
    assert await world.left() == 36 - 9
    world.now += 1
    world.rate_limiting.throttled()
    assert await world.left() == 36


async def test_one_is_asked_for_even_if_everything_has_been_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Clocked(monkeypatch, Verdict(None, timedelta(seconds=5)))
    await world.admit([due(1)])

    assert await world.left() == 1


async def test_after_too_few_were_left_twice_as_many_are_asked_for_and_two_at_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Clocked(monkeypatch, *[Verdict()] * 4, denied(0, 0.0), denied(0, 0.0))
    await world.admit([due(number) for number in range(5)])
    after_four = await world.left()
    await world.admit([due(9)])
    after_none = await world.left()
    await world.admit([due(10)])
    after_all = await world.left()

    assert [after_four, after_none, after_all] == [8, 2, 36]
