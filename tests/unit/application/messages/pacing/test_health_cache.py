"""What a process remembers of shared health: for how long it is believed, by whose clock, and what is told of it."""

from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import pytest

from messaging.application.messages.pacing import health_cache as known_health_module
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.ports.sender_health import HealthChange, Sight
from messaging.domain.messages.pacing.breaker import Breaker, BreakerState, Trouble
from messaging.domain.messages.pacing.pace import Pace
from messaging.domain.messages.pacing.sender_health import HEALTHY, Health, Subject
from messaging.domain.messages.retry import Scope
from tests.builders import ACCOUNT, NOON, SENDER
from tests.fakes.sender_health import InMemoryHealthRecords
from tests.fakes.telemetry import Counts
from tests.unit.application.webhooks.doubles import FixedClock

OURS, ACCOUNTS = Subject(Scope.SENDER, SENDER), Subject(Scope.ACCOUNT, ACCOUNT)
STOPPED = Health(breaker=Breaker(state=BreakerState.OPEN, since=1.0, trouble=Trouble.UNAVAILABLE))
SLOWED = Health(pace=Pace(factor=0.5, lowered_at=1.0))


class Gauges(Counts):
    """The last value of each gauge, and every count, by name and labels."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[str] = []

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.gauges[labels["scope"]] = value

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        self.counts.append(f"{labels['scope']} {labels['state']}")

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        raise AssertionError(name)


class Records(InMemoryHealthRecords):
    """Remembers who was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[Subject]] = []

    async def read(self, subjects: Sequence[Subject]) -> Sight:
        self.asked.append(list(subjects))
        return await super().read(subjects)


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic = 5_000.0
        monkeypatch.setattr(known_health_module, "monotonic", lambda: self.monotonic)
        self.records, self.telemetry = Records(), Gauges()
        self.known = HealthCache(records=self.records, clock=FixedClock(), telemetry=self.telemetry, fresh_for=0.25)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def test_a_look_is_believed_for_a_moment_and_then_asked_for_anew(world: World) -> None:
    await world.known.look([OURS])
    world.monotonic += 0.2
    await world.known.look([OURS, ACCOUNTS])
    world.monotonic += 0.05
    await world.known.look([OURS, ACCOUNTS])

    assert world.records.asked == [[OURS], [ACCOUNTS], [OURS]]


async def test_time_is_told_by_the_shared_clock(world: World) -> None:
    assert world.known.now() == NOON.timestamp()
    await world.known.look([OURS])
    assert world.known.now() == pytest.approx(1_000.0)
    world.records.passed = 7
    await world.known.read([OURS])
    assert world.known.now() == pytest.approx(1_007.0)


async def test_what_nobody_asks_about_any_more_is_forgotten(world: World) -> None:
    world.records.records[OURS] = STOPPED
    await world.known.look([OURS])
    world.monotonic += 59
    await world.known.look([ACCOUNTS])
    before = world.known.of(OURS)
    world.monotonic += 1
    await world.known.look([Subject(Scope.SENDER, UUID(int=1))])

    assert (before, world.known.of(OURS)) == (STOPPED, HEALTHY)


async def test_what_is_known_stays_known_while_nobody_answers(world: World) -> None:
    world.records.records[OURS] = STOPPED
    await world.known.read([OURS])
    world.records.away = True
    world.records.records.clear()
    await world.known.read([OURS])

    assert world.known.of(OURS) == STOPPED
    world.records.away = False
    await world.known.read([OURS])
    assert world.known.of(OURS) is HEALTHY


async def test_a_change_is_true_where_nobody_was_faster(world: World) -> None:
    world.records.records[ACCOUNTS] = SLOWED

    made = await world.known.change([HealthChange(OURS, HEALTHY, STOPPED), HealthChange(ACCOUNTS, HEALTHY, STOPPED)])

    assert made == {OURS}
    assert [world.known.of(it) for it in (OURS, ACCOUNTS)] == [STOPPED, HEALTHY]
    assert world.telemetry.counts == ["sender open"]
    await world.known.look([OURS, ACCOUNTS])
    assert world.records.asked == [[ACCOUNTS]]


async def test_no_change_asks_nobody(world: World) -> None:
    world.records.away = True

    assert await world.known.change([]) == frozenset()


async def test_stopped_senders_and_accounts_are_counted_apart(world: World) -> None:
    await world.known.change([HealthChange(OURS, HEALTHY, STOPPED)])
    stopped = dict(world.telemetry.gauges)
    await world.known.change([HealthChange(OURS, STOPPED, HEALTHY)])

    assert (stopped, world.telemetry.gauges) == ({"sender": 1, "account": 0}, {"sender": 0, "account": 0})


async def test_only_a_change_of_state_or_pace_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    again = Health(breaker=Breaker(state=BreakerState.OPEN, since=2.0, trouble=Trouble.UNAVAILABLE))
    steps = [HEALTHY, STOPPED, again, SLOWED, HEALTHY]

    for old, new in pairwise(steps):
        await world.known.change([HealthChange(OURS, old, new)])

    assert [record.message for record in caplog.records] == [
        "breaker.open",
        "breaker.closed",
        "pace.lowered",
        "pace.lowered",
    ]
    assert [getattr(record, "trouble", None) for record in caplog.records[:2]] == [Trouble.UNAVAILABLE] * 2
