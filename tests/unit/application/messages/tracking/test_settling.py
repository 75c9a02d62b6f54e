"""What is settled without a claim: waits that are over, expiry, lost workers, and what a failover left in doubt."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from messaging.application.messages.resolving import resolve_unknown as resolve_unknown_module
from messaging.application.messages.resolving.inquire import Question
from messaging.application.messages.resolving.resolve_unknown import UnclearTerms
from messaging.application.messages.tracking import expire_held as expire_held_module
from messaging.application.messages.tracking import expire_unserved as expire_unserved_module
from messaging.application.messages.tracking import recover_failover as recover_failover_module
from messaging.application.messages.tracking.expire_held import ExpireHeld
from messaging.application.messages.tracking.expire_unserved import EVERY_LANE, ExpireUnserved
from messaging.application.messages.tracking.recover_failover import NoticeFailover, RecoverFailover
from messaging.application.ports.workers import SeenWorker
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.change import Entry
from messaging.domain.messages.message import ECHO_GRACE, Category, Priority
from messaging.domain.messages.message_state import DispatchKind, Outcome, Phase
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions.negative_evidence import NegativeEvidenceRule
from messaging.domain.messages.unclear_sends import Recourse
from messaging.domain.shared.ids import SenderId
from messaging.domain.shared.unclear import OnUnknown
from tests.builders import NOON, SENDER, TENANT, an_attempt
from tests.delivery import resolving
from tests.fakes.installed import CAPABILITIES_OF, all_can
from tests.unit.application.messages.stored import Stored, at
from tests.unit.application.webhooks.doubles import Counts

DELIVER, STOP = DispatchKind.DELIVER, DispatchKind.RESOLVE_UNKNOWN
NOBODY = SenderId(UUID(int=1))
GRACE = ECHO_GRACE[Channel.WHATSAPP, Category.UTILITY]


@pytest.fixture
def stored() -> Stored:
    return Stored()


# --- unclear sends ----------------------------------------------------------------------------------------------------

RULE = NegativeEvidenceRule(later_receipts=2, margin=timedelta(0), settling=timedelta(0), waits=1)


async def resolve_unknown(stored: Stored) -> tuple[int, Counts]:
    counts = Counts()
    open_uow: Any = stored.open_uow
    return await resolving(open_uow, counts, UnclearTerms(grace=ECHO_GRACE, rule=RULE))(), counts


def unclear(stored: Stored, number: int, on_unknown: OnUnknown = OnUnknown.HOLD, **changes: Any) -> None:
    """It began so long ago that its echo would have come."""
    attempt = an_attempt(phase=Phase.UNKNOWN, outcome=Outcome.UNKNOWN, started_at=NOON - GRACE)
    stored.put(number, State.UNKNOWN, waits_for=STOP, on_unknown=on_unknown, **({"attempt": attempt} | changes))


def witness(stored: Stored, number: int) -> None:
    """A message that began later, and of which the provider has spoken."""
    receipt = Entry(type="receipt.delivered", state=State.DELIVERED, occurred_at=NOON)
    attempt = an_attempt(phase=Phase.CLOSED, started_at=NOON - GRACE / 2)
    stored.put(number, State.DELIVERED, attempt=attempt, entries=(receipt,))


async def test_an_echo_that_did_not_come_is_put_before_a_person(stored: Stored) -> None:
    unclear(stored, 1)

    looked_at, counts = await resolve_unknown(stored)

    assert (looked_at, stored.states(), stored.waits(1)) == (1, {1: State.UNCONFIRMED}, None)
    assert counts.seen == {"unknown_resolved{outcome=unconfirmed}": 1}


async def test_whoever_is_asked_about_waits_longer_than_two_requests_take(stored: Stored) -> None:
    """Another worker must not look while this one is asking."""
    unclear(stored, 1)

    class Asked(Exception):
        """The question is on its way, and what is committed by then counts."""

    async def inquire(questions: Sequence[Question]) -> None:
        assert [question.recourse for question in questions] == [Recourse.ASK]
        raise Asked

    terms = UnclearTerms(grace=ECHO_GRACE, sending_lease=timedelta(seconds=60))
    open_uow, can = stored.open_uow, all_can(Capabilities(can_find=True))
    with pytest.raises(Asked):
        await resolving(open_uow, Counts(), terms, capabilities=can, inquire=inquire)()

    assert stored.waits(1) == (STOP, timedelta(seconds=150))


async def test_one_that_was_heard_of_meanwhile_waits_no_more_and_is_not_counted(stored: Stored) -> None:
    stored.put(1, State.SENT, waits_for=STOP)

    looked_at, counts = await resolve_unknown(stored)

    assert (looked_at, stored.states(), stored.waits(1), counts.seen) == (1, {1: State.SENT}, None, {})


@pytest.mark.parametrize(
    ("witnesses", "state", "outcome"),
    [(2, State.QUEUED, "resent"), (1, State.UNKNOWN, "waiting"), (0, State.UNKNOWN, "waiting")],
)
async def test_who_chose_to_resend_waits_for_a_proof(
    stored: Stored, witnesses: int, state: State, outcome: str
) -> None:
    unclear(stored, 1, OnUnknown.RESEND)
    for number in range(2, 2 + witnesses):
        witness(stored, number)

    _, counts = await resolve_unknown(stored)

    assert (stored.states()[1], counts.seen) == (state, {f"unknown_resolved{{outcome={outcome}}}": 1})


async def test_nobody_is_asked_for_evidence_where_it_could_not_matter(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    unclear(stored, 1)
    unclear(stored, 2, OnUnknown.RESEND, possible_duplicate=True)

    def unasked(*_: Any, **__: Any) -> Any:
        raise AssertionError("evidence was asked for")

    monkeypatch.setattr("tests.fakes.awaited_messages.InMemoryAwaitedMessages.later_receipts", unasked)

    assert (await resolve_unknown(stored))[0] == 2
    assert set(stored.states().values()) == {State.UNCONFIRMED}


async def test_waits_are_looked_at_by_the_batch(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_unknown_module, "_BATCH", 2)
    for number in (1, 2, 3):
        unclear(stored, number)

    assert [(await resolve_unknown(stored))[0] for _ in range(3)] == [2, 1, 0]


# --- held senders -----------------------------------------------------------------------------------------------------


async def expire_held(stored: Stored, *held: SenderId, can: AccountCapabilities = CAPABILITIES_OF) -> int:
    breakers: Any = SimpleNamespace(held=lambda: dict.fromkeys(held, TENANT))
    open_uow: Any = stored.open_uow
    return await ExpireHeld(open_uow=open_uow, breakers=breakers, capabilities=can)()


def waiting(stored: Stored, number: int, *, expires_in: float | None = None, **changes: Any) -> None:
    expires_at = None if expires_in is None else at(expires_in)
    stored.put(number, State.QUEUED, waits_for=DELIVER, expires_at=expires_at, **changes)


NOTHING = all_can(Capabilities())


async def test_what_a_lost_worker_may_have_sent_is_looked_at_at_once_where_nothing_can_be_learnt(
    stored: Stored,
) -> None:
    stored.put(1, State.SENDING, waits_for=DELIVER)

    assert await expire_held(stored, SENDER, can=NOTHING) == 1

    assert (stored.states(), stored.waits(1)) == ({1: State.UNKNOWN}, (STOP, timedelta(0)))


async def test_a_failover_leaves_to_a_person_at_once_what_nothing_can_be_learnt_of(stored: Stored) -> None:
    waiting(stored, 1)
    notice, put_aside = recovering(stored, NOTHING)
    await notice()
    stored.server.switch()

    await put_aside()

    assert (stored.states(), stored.waits(1)) == ({1: State.UNKNOWN}, (STOP, timedelta(0)))


async def test_what_expires_and_what_lost_workers_held_moves_without_a_claim(stored: Stored) -> None:
    waiting(stored, 1, expires_in=0)
    waiting(stored, 2, expires_in=1)
    waiting(stored, 3)
    waiting(stored, 4, expires_in=-1, sender_id=NOBODY)
    stored.put(5, State.CLAIMED, waits_for=DELIVER)
    stored.put(6, State.SENDING, waits_for=DELIVER)

    assert await expire_held(stored, SENDER) == 3
    assert list(stored.states().values()) == [
        State.EXPIRED,
        State.QUEUED,
        State.QUEUED,
        State.QUEUED,
        State.QUEUED,
        State.UNKNOWN,
    ]
    assert stored.waits(6) == (STOP, GRACE)


async def test_nobody_is_asked_while_no_sender_is_held(stored: Stored) -> None:
    stored.away = True

    assert await expire_held(stored) == 0


@pytest.mark.parametrize(("messages", "transactions"), [(0, 1), (1, 1), (2, 2), (3, 2), (5, 3)])
async def test_a_held_backlog_is_settled_batch_by_batch(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, messages: int, transactions: int
) -> None:
    monkeypatch.setattr(expire_held_module, "_BATCH", 2)
    for number in range(1, messages + 1):
        waiting(stored, number, expires_in=0)
    opened = counting(stored, monkeypatch)

    assert await expire_held(stored, SENDER) == messages
    assert opened.count(True) == transactions


def counting(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grows by one with every transaction."""
    opened: list[bool] = []
    transaction = stored.messages.transaction

    def counted() -> Any:
        opened.append(True)
        return transaction()

    monkeypatch.setattr(stored.messages, "transaction", counted)
    return opened


# --- lanes without a worker -------------------------------------------------------------------------------------------


def a_worker(*lanes: DeliverLane, is_live: bool = True) -> SeenWorker:
    return SeenWorker(name="w", lanes=frozenset(lanes), webhooks=True, started_at=NOON, age=1.0, is_live=is_live)


async def expire_unserved(stored: Stored, *workers: SeenWorker) -> int:
    async def seen() -> Sequence[SeenWorker]:
        return workers

    open_uow: Any = stored.open_uow
    double: Any = SimpleNamespace(seen=seen)
    return await ExpireUnserved(open_uow=open_uow, workers=double)()


async def test_only_lanes_without_a_live_worker_are_looked_at(stored: Stored) -> None:
    lanes = [DeliverLane(Channel.WHATSAPP, priority) for priority in (Priority.HIGH, Priority.DEFAULT, Priority.LOW)]
    for number, lane in enumerate(lanes, start=1):
        waiting(stored, number, expires_in=0, priority=lane.priority)

    assert await expire_unserved(stored, a_worker(lanes[0]), a_worker(lanes[1], is_live=False)) == 2
    assert list(stored.states().values()) == [State.QUEUED, State.EXPIRED, State.EXPIRED]


async def test_nothing_is_asked_while_every_lane_has_a_worker(stored: Stored) -> None:
    stored.away = True

    assert await expire_unserved(stored, a_worker(*EVERY_LANE)) == 0


async def test_the_whole_of_a_lane_is_looked_through_page_by_page(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expire_unserved_module, "_PAGE", 2)
    for number in range(1, 7):
        waiting(stored, number, expires_in=0 if number % 2 else 1)

    assert await expire_unserved(stored) == 3
    assert [number for number, state in stored.states().items() if state is State.EXPIRED] == [1, 3, 5]


# --- after a failover -------------------------------------------------------------------------------------------------


def recovering(stored: Stored, can: AccountCapabilities = CAPABILITIES_OF) -> tuple[NoticeFailover, RecoverFailover]:
    open_uow: Any = stored.open_uow
    notice = NoticeFailover(open_uow=open_uow)
    return notice, RecoverFailover(open_uow=open_uow, notice=notice, capabilities=can)


async def test_without_a_switch_nothing_is_put_aside(stored: Stored) -> None:
    waiting(stored, 1)
    notice, put_aside = recovering(stored)

    assert (await notice(), await put_aside(), stored.states()) == (False, 0, {1: State.QUEUED})


async def test_after_a_switch_what_may_have_been_sent_waits_for_its_echo(stored: Stored) -> None:
    waiting(stored, 1)
    stored.put(2, State.CLAIMED, waits_for=DELIVER)
    stored.put(3, State.SENDING, waits_for=DELIVER)
    stored.put(4, State.SENT)
    stored.put(5, State.QUEUED, waits_for=DELIVER, since=-10)
    notice, put_aside = recovering(stored)
    stored.server.switch()

    assert await notice()
    assert await put_aside() == 3
    unclear = [number for number, state in stored.states().items() if state is State.UNKNOWN]
    assert (unclear, stored.server.settled, await notice()) == ([1, 2, 3], True, False)
    assert all(stored.waits(number) == (STOP, GRACE) for number in unclear)
    assert stored.of(1).state.epoch == 1


async def test_it_is_done_batch_by_batch_and_claims_open_at_the_end(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover_failover_module, "_BATCH", 2)
    for number in range(1, 6):
        waiting(stored, number)
    _, put_aside = recovering(stored)
    stored.server.switch()

    assert await put_aside() == 5
    assert set(stored.states().values()) == {State.UNKNOWN}
    assert await put_aside() == 0


async def test_whoever_has_not_the_turn_does_nothing(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(stored, 1)
    _, put_aside = recovering(stored)
    stored.server.switch()

    async def not_now(_: Any) -> bool:
        return False

    monkeypatch.setattr("tests.fakes.failovers.InMemoryFailovers.take_turn", not_now)

    assert (await put_aside(), stored.states(), stored.server.settled) == (0, {1: State.QUEUED}, False)


async def test_a_failover_is_noticed_once_and_looked_for_on_and_on_while_the_database_is_away(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_uow: Any = stored.open_uow
    notice = NoticeFailover(open_uow=open_uow)
    looks: list[bool] = []

    async def pause(seconds: float) -> None:
        looks.append(await notice() if not stored.away else False)
        if len(looks) == 1:
            stored.away = True
        elif len(looks) == 2:
            stored.away = False
            stored.server.switch()
        elif len(looks) == 4:
            raise asyncio.CancelledError

    own = SimpleNamespace(**vars(asyncio) | {"sleep": pause})
    monkeypatch.setattr(recover_failover_module, "asyncio", own)
    with pytest.raises(asyncio.CancelledError):
        await notice.watch()

    assert looks == [False, False, True, True]


async def test_a_failover_that_is_noticed_is_written_down_and_nothing_else_is(stored: Stored) -> None:
    commits: list[bool] = []

    @asynccontextmanager
    async def open_uow() -> AsyncIterator[Any]:
        async with stored.open_uow() as uow:
            committed: list[bool] = []

            async def commit(*, durable: bool = True) -> None:
                committed.append(durable)

            yield SimpleNamespace(failovers=uow.failovers, commit=commit)
            commits.append(bool(committed))

    notice = NoticeFailover(open_uow=open_uow)

    assert await notice() is False
    stored.server.switch()
    assert await notice() is True
    assert commits == [False, True]
