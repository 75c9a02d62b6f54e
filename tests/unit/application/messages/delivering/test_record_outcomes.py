"""Outcomes are recorded: at once where the message has not changed, under lock where it has, and patiently."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from messaging.application.messages.delivering import record_outcomes as record_outcomes_module
from messaging.application.messages.delivering.claim import Observed
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.outgoing import Unrenderable
from messaging.application.messages.delivering.record_outcomes import (
    Concluded,
    NeverLeft,
    Outcome,
    RecordOutcomes,
    Released,
    Undeliverable,
)
from messaging.application.messages.delivering.recover_crashed_sends import RecoverCrashedSends
from messaging.application.messages.tracking.reconcile import ReconcileReceipts
from messaging.application.ports.parked_receipts import ParkedReceipt
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.receipts import ProviderError, ReceiptKind
from messaging.domain.messages.retry import Rejected, SendResult, Sent, Uncertain
from messaging.domain.messages.state import State
from tests.builders import ACCOUNT, NOON, TENANT, WAMID, a_receipt, a_snapshot
from tests.fakes.installed import CAPABILITIES_OF
from tests.fakes.optimistic_writes import InMemoryOptimisticWrites
from tests.fakes.send_journal import InMemorySendJournal
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.messages.stored import Stored, in_seconds, key_of
from tests.unit.application.webhooks.doubles import DATA_KEYS, KEY_RING, Counts, FixedClock

SENT = Sent(provider_message_id=WAMID)
REFUSED = Rejected(code="131026", reason="Undeliverable.")
NOW = 100.0


class World:
    """Messages under way. `pauses` are the seconds for which writing waited between its tries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.counts = Counts()
        self.pauses: list[float] = []
        self.comes_back_after: int | None = None
        monkeypatch.setattr(record_outcomes_module, "monotonic", lambda: self.now)
        monkeypatch.setattr("messaging.application.messages.delivering.claim.monotonic", lambda: self.now)
        self.stored = Stored()
        self.optimistic_writes = InMemoryOptimisticWrites(self.stored.messages, self.stored.parked_receipts)
        open_uow: Any = self.stored.open_uow
        reconcile = ReconcileReceipts(
            snapshots=InMemorySnapshots(a_snapshot(data_keys=DATA_KEYS)),
            key_ring=KEY_RING,
            clock=FixedClock(),
            telemetry=Counts(),
            capabilities=CAPABILITIES_OF,
        )
        self.record = RecordOutcomes(
            open_uow=open_uow,
            optimistic_writes=self.optimistic_writes,
            reconcile=reconcile,
            terms=DeliveryTerms(worker="w1"),
            telemetry=self.counts,
            capabilities=CAPABILITIES_OF,
        )
        # Of this module alone: servers of other tests sleep in the same process.
        own = SimpleNamespace(**vars(asyncio) | {"sleep": self._wait})
        monkeypatch.setattr(record_outcomes_module, "asyncio", own)

    async def _wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if len(self.pauses) == self.comes_back_after:
            self.come_back()
        await asyncio.sleep(0)

    def go_away(self, *, comes_back_after: int | None = None) -> None:
        self.stored.away, self.optimistic_writes.fails_with = True, StoreUnavailable()
        self.comes_back_after = comes_back_after

    def come_back(self) -> None:
        self.stored.away, self.optimistic_writes.fails_with = False, None

    def concluded(self, number: int, result: SendResult = SENT, *, seen: bool = True, epoch: int = 1) -> Concluded:
        """`seen`: by who wrote its start."""
        started = Observed(self.stored.of(number).at(NOON), NOW) if seen else None
        return Concluded(key_of(number), epoch, ACCOUNT, result, started, 2.5, "whatsapp_cloud")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(monkeypatch)
    world.stored.put(1, State.SENDING)
    return world


@pytest.fixture
def unlocked(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many changes each write without a lock was given."""
    sizes: list[int] = []
    write = world.optimistic_writes.write

    async def counted(changes: Sequence[Change]) -> Any:
        sizes.append(len(changes))
        return await write(changes)

    monkeypatch.setattr(world.optimistic_writes, "write", counted)
    return sizes


# --- the usual way ----------------------------------------------------------------------------------------------------


async def test_an_answer_is_written_without_a_lock_where_nothing_has_moved(world: World, unlocked: list[int]) -> None:
    await world.record(world.concluded(1))

    assert (world.stored.states(), unlocked) == ({1: State.SUBMITTED}, [1])
    assert world.stored.of(1).provider_ids == {1: WAMID}


async def test_a_result_is_told_to_metrics_log_and_timeline_with_its_delay(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    await world.record(world.concluded(1, REFUSED))

    assert world.counts.seen == {"attempts{outcome=rejected,provider=whatsapp_cloud}": 1, "attempt_seconds": 1}
    [told] = [vars(record) for record in caplog.records if record.message == "message.attempted"]
    assert (told["outcome"], told["code"], told["attempt"], told["ms"]) == ("rejected", "131026", 1, 2500)
    assert world.stored.of(1).entries[-1].detail["latency_ms"] == 2500


async def test_how_long_a_message_waited_before_its_first_byte_is_told(world: World) -> None:
    await world.record(replace(world.concluded(1), waited=0.7))

    assert world.counts.seen["stage_seconds"] == 1


async def test_an_acceptance_has_no_code_and_a_claim_without_a_send_is_no_attempt(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.stored.put(2, State.CLAIMED)

    await world.record(world.concluded(1))
    await world.record(Released(key_of(2), 1, "draining"))

    assert world.counts.seen == {"attempts{outcome=sent,provider=whatsapp_cloud}": 1, "attempt_seconds": 1}
    assert [vars(record)["code"] for record in caplog.records if record.message == "message.attempted"] == [None]


async def test_an_answer_about_what_has_moved_is_written_under_lock(world: World, unlocked: list[int]) -> None:
    outcome = world.concluded(1)
    world.stored.put(1, State.UNKNOWN, seq=7)

    await world.record(outcome)

    assert (world.stored.states(), unlocked) == ({1: State.SUBMITTED}, [1])


async def test_an_answer_of_which_the_start_was_not_seen_is_written_under_lock(
    world: World, unlocked: list[int]
) -> None:
    await world.record(world.concluded(1, REFUSED, seen=False))

    assert (world.stored.states(), unlocked) == ({1: State.FAILED}, [])


async def test_answers_that_come_together_share_a_write(world: World, unlocked: list[int]) -> None:
    for number in range(2, 6):
        world.stored.put(number, State.SENDING)

    await asyncio.gather(*(world.record(world.concluded(number)) for number in range(1, 6)))

    assert set(world.stored.states().values()) == {State.SUBMITTED}
    assert sum(unlocked) == 5
    assert len(unlocked) < 5


async def test_a_message_of_which_nobody_knows_is_passed_over(world: World) -> None:
    outcome = world.concluded(1, seen=False)
    world.stored.messages.stored.clear()

    await world.record(outcome)

    assert world.stored.states() == {}


@pytest.mark.parametrize("seen", [True, False])
async def test_a_receipt_that_was_quicker_than_the_answer_is_matched_with_it(world: World, seen: bool) -> None:
    receipt = a_receipt(ReceiptKind.DELIVERED)
    item = ParkedReceipt(tenant_id=TENANT, account_id=ACCOUNT, receipt=receipt, parked_at=NOON, tries=0)
    world.stored.parked_receipts.parked[TENANT, ACCOUNT, receipt] = (item, None)

    await world.record(world.concluded(1, seen=seen))

    assert (world.stored.states(), world.stored.parked_receipts.parked) == ({1: State.DELIVERED}, {})


# --- what else may come of a claim ------------------------------------------------------------------------------------

PROBLEM = ProviderError(code="template_unknown", reason="It is gone.")
FOR_GOOD, FOR_NOW = Unrenderable(PROBLEM), Unrenderable(PROBLEM, retry_after=timedelta(seconds=60))


@pytest.mark.parametrize(
    ("state", "outcome", "after", "waits"),
    [
        (State.CLAIMED, Released(key_of(1), 1, "drain"), State.QUEUED, 0),
        (State.CLAIMED, Released(key_of(1), 2, "drain"), State.CLAIMED, None),
        (State.SENDING, Released(key_of(1), 1, "drain"), State.QUEUED, 2),
        (State.SENDING, Released(key_of(1), 2, "drain"), State.SENDING, None),
        (State.UNKNOWN, Released(key_of(1), 1, "drain"), State.QUEUED, 2),
        (State.SUBMITTED, Released(key_of(1), 1, "drain"), State.SUBMITTED, None),
        (State.CLAIMED, Undeliverable(key_of(1), 1, FOR_GOOD), State.DEAD, None),
        (State.CLAIMED, Undeliverable(key_of(1), 1, FOR_NOW), State.QUEUED, 60),
        (State.CLAIMED, Undeliverable(key_of(1), 2, FOR_GOOD), State.CLAIMED, None),
        (State.CLAIMED, NeverLeft(key_of(1), 1), State.CLAIMED, None),
        (State.SENDING, NeverLeft(key_of(1), 1), State.QUEUED, 2),
        (State.UNKNOWN, NeverLeft(key_of(1), 1), State.QUEUED, 2),
        (State.UNKNOWN, NeverLeft(key_of(1), 2), State.UNKNOWN, None),
    ],
)
async def test_a_claim_that_came_to_nothing_is_given_back_or_buried(
    world: World, state: State, outcome: Outcome, after: State, waits: int | None
) -> None:
    world.stored.put(1, state)

    await world.record(outcome)

    assert world.stored.states() == {1: after}
    expected = None if waits is None else (DispatchKind.DELIVER, in_seconds(waits))
    assert world.stored.waits(1) == expected


async def test_two_outcomes_of_one_message_are_decided_one_after_the_other(world: World) -> None:
    outcomes: list[Outcome] = [Released(key_of(1), 1, "drain"), world.concluded(1, seen=False), NeverLeft(key_of(2), 1)]
    world.stored.put(2, State.SENDING)

    await world.record.together(outcomes)

    assert world.stored.states() == {1: State.SUBMITTED, 2: State.QUEUED}


# --- while the store is away ------------------------------------------------------------------------------------------


async def test_what_a_provider_said_is_tried_to_be_written_until_it_is(world: World, unlocked: list[int]) -> None:
    outcome = world.concluded(1)
    world.go_away(comes_back_after=7)

    await world.record(outcome)

    assert world.stored.states() == {1: State.SUBMITTED}
    assert world.pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert unlocked == [1]


async def test_after_five_minutes_it_is_left_to_the_echo(world: World, caplog: pytest.LogCaptureFixture) -> None:
    outcome = world.concluded(1)
    world.go_away()

    await world.record(outcome)

    assert 300 < world.now - NOW <= 302
    assert [record.message for record in caplog.records] == ["message.outcome_not_written"]
    assert world.stored.states() == {1: State.SENDING}


async def test_parked_receipts_that_could_not_be_looked_for_hold_up_no_outcome(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: Any) -> bool:
        raise StoreUnavailable

    monkeypatch.setattr(world.optimistic_writes, "any_parked", away)

    await world.record(world.concluded(1))

    assert (world.stored.states(), world.pauses) == ({1: State.SUBMITTED}, [])


# --- what a dead process left behind ----------------------------------------------------------------------------------


async def test_notes_of_a_dead_process_settle_what_never_left_and_what_was_refused(world: World) -> None:
    journal = InMemorySendJournal()
    for number in (1, 2, 3, 4):
        world.stored.put(number, State.SENDING)
        note = journal.open(key_of(number), 1, ACCOUNT)
        if number > 1:
            note.sent()
        if number > 2:
            note.failed(REFUSED if number == 3 else Uncertain(reason="no answer"))

    assert await RecoverCrashedSends(journal=journal, record=world.record)() == 3
    assert list(world.stored.states().values()) == [State.QUEUED, State.SENDING, State.FAILED, State.UNKNOWN]
    assert (journal.entries, await RecoverCrashedSends(journal=journal, record=world.record)()) == ({}, 0)


async def test_notes_are_kept_while_the_store_is_away(world: World) -> None:
    journal = InMemorySendJournal()
    journal.open(key_of(1), 1, ACCOUNT)
    world.go_away()

    with pytest.raises(StoreUnavailable):
        await RecoverCrashedSends(journal=journal, record=world.record)()
    assert len(journal.entries) == 1


async def test_many_notes_are_written_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = InMemorySendJournal()
    sizes: list[int] = []

    async def together(outcomes: Sequence[Outcome]) -> None:
        sizes.append(len(outcomes))

    monkeypatch.setattr(world.record, "together", together)
    for number in range(401):
        journal.open(key_of(number), 1, ACCOUNT)

    assert await RecoverCrashedSends(journal=journal, record=world.record)() == 401
    assert sizes == [200, 200, 1]
