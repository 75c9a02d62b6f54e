"""All processes hold back together, probe one at a time, and go on together."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from messaging.application.messages.pacing import circuit_breakers as circuit_breakers_module
from messaging.application.messages.pacing import health_cache as health_cache_module
from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers, Clearance
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.ports.sender_health import HealthChange
from messaging.domain.messages.pacing.pace import LOWERED
from messaging.domain.messages.retry import Rejected, Scope, SendResult, Sent, Throttled, Unavailable, Uncertain
from messaging.domain.shared.ids import SenderId
from tests.builders import SENDER, TENANT, a_sender, a_snapshot, a_state, an_account
from tests.fakes.sender_health import InMemoryHealthRecords
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import Counts, FixedClock

SIBLING = SenderId(UUID("019df2d9-4c00-7000-8000-000000000029"))
SENDERS = (a_sender(), a_sender(id=SIBLING))

SENT = Sent(provider_message_id="wamid.1")
NO_ANSWER = Uncertain(reason="no answer")
TOKEN_REFUSED = Unavailable(code="190", reason="token revoked", scope=Scope.CREDENTIAL)


def throttled(scope: Scope, seconds: float = 5) -> Throttled:
    return Throttled(code="130429", reason="too fast", scope=scope, retry_after=timedelta(seconds=seconds))


class Process:
    """A process with breakers of its own over the records that all share."""

    def __init__(self, records: InMemoryHealthRecords, snapshots: InMemorySnapshots) -> None:
        self.counts = Counts()
        health = HealthCache(records=records, clock=FixedClock(), telemetry=self.counts, fresh_for=0)
        self.breakers = CircuitBreakers(health=health, snapshots=snapshots)

    async def asks_for(self, *senders: SenderId) -> list[Clearance]:
        admitted = await self.breakers.admit(dict.fromkeys(senders, TENANT))
        return [admitted[sender] for sender in senders]

    async def concurrency(self, *senders: SenderId) -> list[int | None]:
        return [clearance.concurrency for clearance in await self.asks_for(*senders)]

    async def gets(self, *results: SendResult, sender: SenderId = SENDER) -> None:
        for result in results:
            await self.breakers.record(a_state(sender_id=sender), result, began_ago=0.0)


@pytest.fixture(autouse=True)
def stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of each process; the one that all share goes on when a test says so."""
    monkeypatch.setattr(health_cache_module, "monotonic", lambda: 1_000.0)


@pytest.fixture
def records() -> InMemoryHealthRecords:
    return InMemoryHealthRecords()


@pytest.fixture
def snapshots() -> InMemorySnapshots:
    return InMemorySnapshots(a_snapshot(senders=SENDERS))


@pytest.fixture
def one(records: InMemoryHealthRecords, snapshots: InMemorySnapshots) -> Process:
    return Process(records, snapshots)


@pytest.fixture
def other(records: InMemoryHealthRecords, snapshots: InMemorySnapshots) -> Process:
    return Process(records, snapshots)


async def test_the_healthy_are_admitted_without_bounds(one: Process) -> None:
    assert await one.asks_for(SENDER, SIBLING) == [Clearance(), Clearance()]


async def test_a_success_of_the_healthy_asks_nobody(one: Process, records: InMemoryHealthRecords) -> None:
    records.away = True

    await one.gets(SENT)

    assert one.counts.seen == {}


async def test_failures_seen_by_several_processes_hold_the_sender_in_all_of_them(one: Process, other: Process) -> None:
    await one.gets(NO_ANSWER, NO_ANSWER, NO_ANSWER)
    await other.gets(NO_ANSWER, NO_ANSWER)

    assert await one.concurrency(SENDER, SIBLING) == [0, None]
    assert await other.concurrency(SENDER, SIBLING) == [0, None]
    assert other.counts.seen["breaker_changes{scope=sender,state=open}"] == 1


async def test_one_probe_goes_and_its_success_admits_everywhere(
    one: Process, other: Process, records: InMemoryHealthRecords
) -> None:
    await one.gets(*[NO_ANSWER] * 5)
    records.passed += 1

    probing = [await process.concurrency(SENDER) for process in (one, other, one)]
    await one.gets(SENT)

    assert probing == [[1], [0], [0]]
    assert await other.concurrency(SENDER) == [None]


async def test_who_is_overtaken_on_the_way_to_the_probe_does_not_probe(
    snapshots: InMemorySnapshots, records: InMemoryHealthRecords
) -> None:
    await Process(records, snapshots).gets(*[NO_ANSWER] * 5)
    late = Overtaken()
    late.records, late.passed = records.records, 1

    assert await Process(late, snapshots).concurrency(SENDER) == [0]


class Overtaken(InMemoryHealthRecords):
    """Somebody else is always faster."""

    async def swap(self, changes: Sequence[HealthChange]) -> Sequence[bool]:
        return [False] * len(changes)


async def test_a_refused_token_holds_all_senders_of_the_account_until_it_is_replaced(
    one: Process, other: Process, records: InMemoryHealthRecords, snapshots: InMemorySnapshots
) -> None:
    await one.gets(TOKEN_REFUSED)
    held = await other.concurrency(SENDER, SIBLING)
    rotated = an_account(sealed_credentials=b"sealed anew")
    snapshots.tenants[TENANT] = a_snapshot(senders=SENDERS, accounts=(rotated,))

    assert held == [0, 0]
    assert await other.concurrency(SENDER, SIBLING) == [None, None]
    assert await one.concurrency(SENDER, SIBLING) == [None, None]


async def test_an_account_is_probed_by_one_of_its_senders(one: Process, records: InMemoryHealthRecords) -> None:
    await one.gets(TOKEN_REFUSED)
    records.passed += 1

    assert sorted(await one.concurrency(SENDER, SIBLING), key=str) == [0, 1]


async def test_a_complaint_about_a_sender_pauses_and_slows_it_everywhere(
    one: Process, other: Process, records: InMemoryHealthRecords
) -> None:
    await one.gets(throttled(Scope.SENDER))
    (paused, sibling) = await other.asks_for(SENDER, SIBLING)
    records.passed += 5
    (slowed,) = await other.asks_for(SENDER)
    records.passed += 60
    (recovered,) = await other.asks_for(SENDER)

    assert paused == Clearance(concurrency=0, held_for=timedelta(seconds=5))
    assert sibling == Clearance()
    assert slowed == Clearance(rate_factor=LOWERED)
    assert recovered == Clearance()


async def test_a_complaint_about_an_account_slows_all_its_senders(one: Process, records: InMemoryHealthRecords) -> None:
    await one.gets(throttled(Scope.ACCOUNT))
    records.passed += 5

    assert await one.asks_for(SENDER, SIBLING) == [Clearance(rate_factor=LOWERED)] * 2


async def test_a_sender_and_an_account_that_both_failed_hold_what_is_of_both(one: Process) -> None:
    """The sender failed; the account's credentials are refused."""
    await one.gets(*[NO_ANSWER] * 5)
    await one.gets(TOKEN_REFUSED)

    assert await one.concurrency(SENDER, SIBLING) == [0, 0]


async def test_a_refused_message_holds_nobody(one: Process) -> None:
    await one.gets(*[Rejected(code="131026", reason="undeliverable")] * 50)

    assert await one.concurrency(SENDER) == [None]


async def test_without_shared_memory_a_process_goes_by_what_it_learns_itself(
    one: Process, other: Process, records: InMemoryHealthRecords
) -> None:
    records.away = True
    await one.gets(*[NO_ANSWER] * 5)
    alone = [await one.concurrency(SENDER), await other.concurrency(SENDER)]
    records.away = False

    assert alone == [[0], [None]]
    # It has forgotten, which is as good as healthy: the next failures tell.
    assert await one.concurrency(SENDER) == [None]


async def test_who_is_held_is_told_while_it_has_work(one: Process) -> None:
    await one.gets(*[NO_ANSWER] * 5)

    await one.concurrency(SENDER, SIBLING)

    assert one.breakers.held() == {SENDER: TENANT}


async def test_who_is_held_is_forgotten_when_nobody_asks_for_it_any_more(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(circuit_breakers_module, "monotonic", lambda: now)
    await one.gets(*[NO_ANSWER] * 5)
    await one.concurrency(SENDER)
    now += 9.9
    before = one.breakers.held()
    now += 0.1

    assert (before, one.breakers.held()) == ({SENDER: TENANT}, {})


async def test_who_is_admitted_again_is_not_held_any_more(one: Process, records: InMemoryHealthRecords) -> None:
    await one.gets(*[NO_ANSWER] * 5)
    await one.concurrency(SENDER)
    records.passed += 1
    await one.concurrency(SENDER)
    await one.gets(SENT)
    await one.concurrency(SENDER)

    assert one.breakers.held() == {}


async def test_a_sender_that_is_not_known_any_more_is_admitted_by_its_own_health(
    one: Process, snapshots: InMemorySnapshots
) -> None:
    await one.gets(TOKEN_REFUSED)
    snapshots.tenants.clear()

    assert await one.concurrency(SENDER) == [None]


async def test_a_token_that_was_not_replaced_stays_refused(one: Process, records: InMemoryHealthRecords) -> None:
    await one.gets(TOKEN_REFUSED)
    records.passed += 0.5

    assert await one.asks_for(SENDER) == [Clearance(concurrency=0, held_for=timedelta(seconds=0.5))]


async def test_a_send_that_began_before_the_breaker_moved_says_nothing(
    one: Process, records: InMemoryHealthRecords
) -> None:
    await one.gets(*[NO_ANSWER] * 5)
    records.passed += 1
    await one.concurrency(SENDER)
    await one.breakers.record(a_state(), SENT, began_ago=0.5)

    assert await one.concurrency(SENDER) == [0]


async def test_many_lessons_at_once_are_learnt_whoever_is_faster(
    snapshots: InMemorySnapshots, records: InMemoryHealthRecords
) -> None:
    contested = Contested(records, times=3)
    process = Process(contested, snapshots)

    await process.gets(*[NO_ANSWER] * 5)

    assert await process.concurrency(SENDER) == [0]


async def test_a_lesson_that_others_always_overtake_is_given_up(
    snapshots: InMemorySnapshots, records: InMemoryHealthRecords
) -> None:
    contested = Contested(records, times=1_000)
    process = Process(contested, snapshots)

    await process.gets(NO_ANSWER)

    assert contested.times == 1_000 - 5


class Contested(InMemoryHealthRecords):
    """Somebody else is faster so many times."""

    def __init__(self, records: InMemoryHealthRecords, *, times: int) -> None:
        super().__init__()
        self.records, self.times = records.records, times

    async def swap(self, changes: Sequence[HealthChange]) -> Sequence[bool]:
        if self.times > 0:
            self.times -= 1
            return [False] * len(changes)
        return await super().swap(changes)
