"""Whatever workers, sweeps, receipts and people do in whatever order: is the message neither lost nor sent twice?

A small world around the pure functions: a store that writes changes as the real one does, workers that may crash or
answer late, and a provider who alone knows what it took.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.change import AttemptOpened, AttemptUpdated, Change, Schedule
from messaging.domain.messages.message import ECHO_GRACE, Category
from messaging.domain.messages.message_state import (
    PROVEN_NOT_ACCEPTED,
    DispatchKind,
    LastAttempt,
    MessageState,
    Outcome,
    Phase,
)
from messaging.domain.messages.receipts import ProviderError, Receipt, ReceiptKind
from messaging.domain.messages.retry import (
    Rejected,
    Scope,
    SendResult,
    Sent,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
)
from messaging.domain.messages.state import AWAITING_NEWS, LEGAL_MOVES, RANK, State
from messaging.domain.messages.transitions import lifecycle, unclear
from messaging.domain.messages.transitions.failover import recover_failover
from messaging.domain.messages.transitions.negative_evidence import Evidence
from messaging.domain.messages.transitions.projection import project
from messaging.domain.messages.transitions.status_polling import Asked, poll_status
from messaging.domain.messages.unclear_sends import NOT_KNOWN, Recourse, recourse
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.unclear import OnUnknown
from tests.builders import NOON, a_receipt, a_state

LEASE, SENDING_LEASE = timedelta(seconds=30), timedelta(seconds=60)
UNSETTLED = {State.SCHEDULED, State.QUEUED, State.CLAIMED, State.SENDING}

NOT_ACCEPTED: list[SendResult] = [
    Rejected(code="131026", reason="Undeliverable."),
    Unavailable(code="131016", reason="Overloaded."),
    Throttled(code="130429", reason="Too fast.", scope=Scope.SENDER, retry_after=timedelta(seconds=5)),
    Unreachable(reason="Connection refused."),
]
# What a provider may be able to prove, from most to nothing.
CAN = [
    NOT_KNOWN,
    Capabilities(takes_idempotency_key=True, echoes_reference=True, confirms_delivery=True),
    Capabilities(takes_idempotency_key=True, key_lasts=timedelta(seconds=20)),
    Capabilities(can_find=True, echoes_reference=True, confirms_delivery=True),
    Capabilities(),
]
UNCERTAIN = Uncertain(reason="The connection broke.")


@dataclass
class Attempt:
    owner: str
    lease_until: datetime
    possible_duplicate: bool
    phase: Phase = Phase.CLAIMED
    outcome: Outcome | None = None
    provider_message_id: str | None = None
    http_status: int | None = None
    started_at: datetime | None = None


@dataclass
class Worker:
    """Someone who holds, or held, attempt `epoch`; `started` once its stamp was granted."""

    epoch: int
    name: str
    started: bool = False


@dataclass
class Store:
    """One message's rows, with the guards of the real store."""

    row: MessageState
    attempts: dict[int, Attempt] = field(default_factory=dict)
    dispatch: Schedule | None = None
    history: list[State] = field(default_factory=list)
    # The newest attempt that had failed when a person sent the message again.
    failed_attempt: int = 0

    def lock(self, now: datetime) -> MessageState:
        last = None
        if self.attempts:
            epoch = max(self.attempts)
            attempt = self.attempts[epoch]
            last = LastAttempt(
                epoch=epoch,
                phase=attempt.phase,
                outcome=attempt.outcome,
                lease_owner=attempt.owner,
                lease_live=attempt.lease_until > now,
                provider_message_id=attempt.provider_message_id,
                started_at=attempt.started_at,
                http_status=attempt.http_status,
            )
        return replace(self.row, attempt=last, now=now)

    def apply(self, change: Change) -> None:
        assert (change.expected_seq, change.previous) == (self.row.seq, self.row.state)
        assert change.entries, "a change without a timeline entry would leave no trace"
        assert change.entries[-1].state is change.state
        self.history += [entry.state for entry in change.entries]
        for entry in change.entries:
            told = entry.detail.get("failed_attempt")
            self.failed_attempt = told if isinstance(told, int) else self.failed_attempt
        self.row = replace(
            self.row,
            state=change.state,
            seq=self.row.seq + len(change.entries),
            epoch=change.epoch,
            attempts=change.attempts,
            checks=change.checks,
            claim_failures=change.claim_failures,
            possible_duplicate=self.row.possible_duplicate or change.possible_duplicate,
        )
        for news in change.attempt:
            self._attempt(news)
        if change.dispatch is not None:
            self.dispatch = change.dispatch if isinstance(change.dispatch, Schedule) else None

    def _attempt(self, news: AttemptOpened | AttemptUpdated) -> None:
        if isinstance(news, AttemptOpened):
            assert news.epoch not in self.attempts
            until = self.row.now + news.lease
            attempt = self.attempts[news.epoch] = Attempt(news.lease_owner, until, news.possible_duplicate)
            if news.forgotten:
                attempt.phase, attempt.outcome = Phase.UNKNOWN, Outcome.UNKNOWN
            return
        attempt = self.attempts[news.epoch]
        attempt.provider_message_id = news.provider_message_id or attempt.provider_message_id
        attempt.http_status = attempt.http_status if news.http_status is None else news.http_status
        if news.phase is Phase.STARTED:
            attempt.started_at = self.row.now
        if attempt.outcome is not Outcome.ACCEPTED:
            attempt.phase, attempt.outcome = news.phase, news.outcome or attempt.outcome


class MessageWorld(RuleBasedStateMachine):
    @initialize(
        scheduled=st.booleans(),
        validity=st.sampled_from([None, None, None, 5, 120, 100_000]),
        category=st.sampled_from(list(Category)),
        policy=st.sampled_from(["durable", "simple"]),
        on_unknown=st.sampled_from(list(OnUnknown)),
        proof=st.booleans(),
        can=st.sampled_from(CAN),
    )
    def accept(
        self,
        scheduled: bool,
        validity: int | None,
        category: Category,
        policy: str,
        on_unknown: OnUnknown,
        proof: bool,
        can: Capabilities,
    ) -> None:
        state = State.SCHEDULED if scheduled else State.QUEUED
        due_at = NOON + timedelta(seconds=60 if scheduled else 0)
        self.now, self.can = NOON, can
        self.store = Store(
            a_state(
                state,
                category=category,
                policy=policy,
                on_unknown=on_unknown,
                expires_at=None if validity is None else due_at + timedelta(seconds=validity),
            ),
            dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=due_at),
            history=[state],
        )
        self.workers: list[Worker] = []
        self.names = 0
        # Silence that seems to prove absence may be wrong: then the resend is a duplicate, which the customer chose.
        self.evidence = Evidence(later_receipts=20 if proof else 0, heard_until=NOON + timedelta(days=900))
        self.resends = 0
        # The provider's own list, and the attempts for which a person accepted the risk of a duplicate.
        self.accepted: list[int] = []
        self.excused: set[int] = set()

    def decide(self, decision: Callable[[MessageState], Change | None]) -> Change | None:
        """One transaction: lock, decide, apply."""
        message = self.store.lock(self.now)
        self.store.row = message
        change = decision(message)
        if change is not None:
            self.store.apply(change)
            # Who has just written a change knows without looking where it left the message.
            assert project(message, change, now=self.now) == self.store.lock(self.now)
        return change

    def conclude(self, epoch: int, result: SendResult) -> None:
        failed = self.store.failed_attempt
        self.decide(
            lambda message: lifecycle.conclude(message, epoch=epoch, result=result, failed_attempt=failed, can=self.can)
        )

    def receive(self, receipts: list[tuple[int | None, Receipt]]) -> None:
        failed = self.store.failed_attempt
        self.decide(lambda message: lifecycle.receive(message, receipts, failed_attempt=failed, can=self.can))

    # --- time and workers -------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 3, 31, 61, 1_000, 22_000, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.store.dispatch is not None)
    @rule()
    def time_passes_until_work_is_due(self) -> None:
        assert self.store.dispatch is not None
        self.now = max(self.now, self.store.dispatch.due_at)
        self.work()

    @rule(repeated=st.sampled_from(["told", "unclear", "refused", "lost before", "worker crashed"]))
    def work(self, repeated: str = "lost before") -> None:
        """A worker (or the sweep, which is the same) looks at what is due."""
        dispatch = self.store.dispatch
        if dispatch is None or dispatch.due_at > self.now:
            return
        if dispatch.kind is DispatchKind.RESOLVE_UNKNOWN:
            change = self.look(repeated)
        elif dispatch.kind is DispatchKind.POLL_STATUS:
            change = self.decide(lambda message: poll_status(message, (), asked=Asked.NO))
        else:
            self.names += 1
            name, before = f"w{self.names}", self.store.row.epoch
            change = self.decide(lambda message: lifecycle.take_up(message, worker=name, lease=LEASE, can=self.can))
            if change is not None and change.epoch > before:
                self.workers.append(Worker(change.epoch, name))
        if change is None:
            self.store.dispatch = None

    def look(self, repeated: str) -> Change | None:
        """What is done about an unclear send; the provider finds nothing, and takes a repeated request or not."""
        message = self.store.lock(self.now)
        done = recourse(message, self.can, grace=ECHO_GRACE[message.channel, message.category])
        if message.state is State.UNKNOWN and done is Recourse.REPEAT:
            return self.repeat(repeated)
        if message.state is State.UNKNOWN and done is Recourse.ASK:
            return self.decide(lambda message: unclear.note_asked(message, asked=Asked.YES, can=self.can))
        change = self.decide(lambda message: unclear.resolve_unknown(message, self.evidence, can=self.can))
        if change is not None and change.state is State.QUEUED:
            self.resends += 1
            self.excused |= set(self.store.attempts)
        return change

    def repeat(self, repeated: str) -> Change | None:
        """The same request with the same key, which the provider drops if it remembers the key."""
        epoch = self.store.row.epoch
        begun = self.decide(lambda message: unclear.begin_repeat(message, can=self.can, lease=SENDING_LEASE))
        if repeated == "worker crashed":
            return begun
        if repeated in ("told", "unclear"):
            started_at = self.store.attempts[epoch].started_at
            assert started_at is not None
            if epoch not in self.accepted or self.now >= started_at + self.can.key_lasts:
                self.accepted.append(epoch)
        results = {"told": Sent(provider_message_id=_provider_id(epoch)), "refused": NOT_ACCEPTED[0]}
        result = results.get(repeated, UNCERTAIN)
        return self.decide(lambda message: unclear.conclude_repeat(message, epoch=epoch, result=result, can=self.can))

    def waiting(self, *, started: bool) -> list[Worker]:
        return [worker for worker in self.workers if worker.started is started]

    @precondition(lambda self: self.store.row.state in (State.SCHEDULED, State.QUEUED))
    @rule()
    def a_worker_sends_what_is_due(self) -> None:
        self.time_passes_until_work_is_due()
        if self.store.row.state is State.CLAIMED:
            self.stamp(self.workers[-1])

    @precondition(lambda self: self.waiting(started=False))
    @rule(data=st.data())
    def a_worker_starts(self, data: st.DataObject) -> None:
        self.stamp(data.draw(st.sampled_from(self.waiting(started=False))))

    def stamp(self, worker: Worker) -> None:
        unproven = [
            epoch
            for epoch, attempt in self.store.attempts.items()
            if epoch < worker.epoch and attempt.outcome not in PROVEN_NOT_ACCEPTED
        ]
        change = self.decide(
            lambda message: lifecycle.start(message, epoch=worker.epoch, worker=worker.name, lease=SENDING_LEASE)
        )
        if change is None:
            self.give_back_claim(worker)
            return
        worker.started = True
        assert set(unproven) <= self.excused, "bytes left although an earlier attempt may have been accepted"
        assert not unproven or self.store.attempts[worker.epoch].possible_duplicate
        expires_at = self.store.row.expires_at
        assert expires_at is None or self.now < expires_at

    def give_back_claim(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self.decide(lambda message: lifecycle.release(message, epoch=worker.epoch, reason="draining", due_at=self.now))

    @precondition(
        lambda self: self.store.row.state in (State.SENDING, State.UNKNOWN) and self.can.takes_idempotency_key
    )
    @rule(repeated=st.lists(st.sampled_from(["told", "unclear", "refused"]), min_size=1, max_size=3))
    def a_worker_is_slower_than_the_request_that_is_repeated(self, repeated: list[str]) -> None:
        """Chance alone finds this too seldom."""
        for what in repeated:
            if self.store.row.state is State.SENDING:
                self.time_passes_until_work_is_due()
            if self.store.row.state is State.UNKNOWN:
                assert self.store.dispatch is not None
                self.now = max(self.now, self.store.dispatch.due_at)
                self.work(what)

    @precondition(lambda self: self.waiting(started=False))
    @rule(data=st.data(), what=st.sampled_from(["drain", "dead_letter", "crash", "unreachable"]))
    def a_claim_ends_without_a_byte(self, data: st.DataObject, what: str) -> None:
        worker = data.draw(st.sampled_from(self.waiting(started=False)))
        if what == "drain":
            self.give_back_claim(worker)
            return
        self.workers.remove(worker)
        if what == "dead_letter":
            error = ProviderError(code="unreadable", reason="Cannot be read.")
            self.decide(lambda message: lifecycle.dead_letter(message, epoch=worker.epoch, error=error))
        elif what == "unreachable":
            self.conclude(worker.epoch, Unreachable(reason="No route."))

    @precondition(lambda self: self.store.row.state in UNSETTLED)
    @rule()
    def the_database_fails_over(self) -> None:
        """Without having lost anything, as it turns out; workers that hold the message go on knowing nothing of it."""
        self.decide(lambda message: recover_failover(message, can=self.can))

    # --- the provider -----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.waiting(started=True))
    @rule(data=st.data(), taken=st.booleans(), answered=st.sampled_from(["told", "unclear", "worker crashed"]))
    def a_send_ends(self, data: st.DataObject, taken: bool, answered: str) -> None:
        """Maybe long after the lease; the provider took it or not, and the worker learns it or not."""
        worker = data.draw(st.sampled_from(self.waiting(started=True)))
        self.workers.remove(worker)
        # If its request was repeated meanwhile, the provider knows the key.
        if taken and not (self.can.takes_idempotency_key and worker.epoch in self.accepted):
            self.accepted.append(worker.epoch)
        if answered == "worker crashed":
            return
        told = (
            Sent(provider_message_id=_provider_id(worker.epoch)) if taken else data.draw(st.sampled_from(NOT_ACCEPTED))
        )
        result = told if answered == "told" else UNCERTAIN
        self.conclude(worker.epoch, result)

    @precondition(lambda self: self.accepted)
    @rule(data=st.data(), kinds=st.lists(st.sampled_from(list(ReceiptKind)), min_size=1, max_size=3))
    def receipts_arrive(self, data: st.DataObject, kinds: list[ReceiptKind]) -> None:
        epochs = data.draw(st.lists(st.sampled_from(self.accepted), min_size=len(kinds), max_size=len(kinds)))
        self.receive([(epoch, _receipt(epoch, kind)) for epoch, kind in zip(epochs, kinds, strict=True)])

    # --- people -----------------------------------------------------------------------------------------------------

    # After some history only: most messages that are cancelled at once teach nothing.
    @precondition(lambda self: self.store.row.state is State.QUEUED and self.store.row.epoch > 1)
    @rule()
    def cancel(self) -> None:
        self.decide(lambda message: lifecycle.cancel(message, by="key_1"))

    @precondition(lambda self: self.store.row.state in (State.UNKNOWN, State.UNCONFIRMED))
    @rule()
    def a_person_loses_patience(self) -> None:
        """The quickest way to a second start after an unclear first one, which chance alone finds too seldom."""
        while self.store.row.state is State.UNKNOWN:
            self.time_passes_until_work_is_due()
        if self.store.row.state is State.UNCONFIRMED:
            self.send_again(risk=True)
        self.a_worker_sends_what_is_due()

    @precondition(lambda self: self.store.row.state in (State.UNCONFIRMED, State.DEAD, State.FAILED))
    @rule(risk=st.booleans())
    def send_again(self, risk: bool) -> None:
        if self.still_under_way():
            with pytest.raises(DomainError, match="under way"):
                self.decide(lambda message: lifecycle.requeue(message, by="key_1", possible_duplicate=risk))
            return
        proven = all(
            attempt.outcome in PROVEN_NOT_ACCEPTED or epoch in self.excused
            for epoch, attempt in self.store.attempts.items()
        )
        if self.store.row.state is State.FAILED:
            proven = self.store.attempts[max(self.store.attempts)].outcome is Outcome.REJECTED
        if not proven and not risk:
            with pytest.raises(DomainError, match="possible_duplicate"):
                self.decide(lambda message: lifecycle.requeue(message, by="key_1"))
            return
        self.decide(lambda message: lifecycle.requeue(message, by="key_1", possible_duplicate=risk))
        if risk:
            self.excused |= set(self.store.attempts)

    def still_under_way(self) -> bool:
        """A receipt of an older attempt has ended the message while the newest was being sent."""
        last = self.store.attempts[max(self.store.attempts)]
        if self.store.row.state is not State.FAILED or last.phase is not Phase.STARTED:
            return False
        assert last.started_at is not None
        return last.lease_until > self.now or self.now < last.started_at + lifecycle.LONGEST_SEND

    @precondition(lambda self: self.store.row.state is State.UNCONFIRMED)
    @rule()
    def a_person_settles_it(self) -> None:
        self.decide(lambda message: lifecycle.resolve(message, by="key_1", reason="No news."))

    # --- what must always hold --------------------------------------------------------------------------------------

    @invariant()
    def the_timeline_is_gapless(self) -> None:
        assert self.store.row.seq == len(self.store.history)

    @invariant()
    def history_is_a_path_of_the_table(self) -> None:
        steps = zip(self.store.history, self.store.history[1:], strict=False)
        assert all(source is target or (source, target) in LEGAL_MOVES for source, target in steps)

    @invariant()
    def at_most_one_attempt_is_open(self) -> None:
        assert sum(attempt.phase is not Phase.CLOSED for attempt in self.store.attempts.values()) <= 1

    @invariant()
    def whoever_is_not_at_an_end_has_a_dispatch_waiting(self) -> None:
        state, dispatch = self.store.row.state, self.store.dispatch
        if state in UNSETTLED:
            assert dispatch is not None
            assert dispatch.kind is DispatchKind.DELIVER
        elif state is State.UNKNOWN:
            assert dispatch is not None
            assert dispatch.kind is DispatchKind.RESOLVE_UNKNOWN
        elif dispatch is not None:
            assert state in AWAITING_NEWS
            assert dispatch.kind is DispatchKind.POLL_STATUS

    @invariant()
    def it_is_sent_again_by_itself_at_most_once_and_only_if_the_customer_chose_so(self) -> None:
        assert self.resends <= (self.store.row.on_unknown is OnUnknown.RESEND)
        assert self.store.row.possible_duplicate or self.resends == 0

    @invariant()
    def the_provider_took_it_at_most_once_unless_a_person_accepted_the_risk(self) -> None:
        assert len([epoch for epoch in self.accepted if epoch not in self.excused]) <= 1

    @invariant()
    def what_we_call_accepted_was_accepted(self) -> None:
        believed = {epoch for epoch, attempt in self.store.attempts.items() if attempt.outcome is Outcome.ACCEPTED}
        assert believed <= set(self.accepted)

    def teardown(self) -> None:
        """Left alone, the message comes to an end, and the end is the truth."""
        if not hasattr(self, "store"):
            return
        for worker in self.waiting(started=True):
            self.conclude(worker.epoch, UNCERTAIN)
        for epoch in self.accepted:
            self.receive([(epoch, _receipt(epoch, ReceiptKind.DELIVERED))])
        for _ in range(60):
            self.now += timedelta(days=2)
            self.work()
            self.workers.clear()
        state = self.store.row.state
        assert state not in UNSETTLED | {State.UNKNOWN}
        assert self.store.dispatch is None
        if self.accepted:
            assert RANK[state] >= RANK[State.DELIVERED]
        else:
            assert state in {State.FAILED, State.EXPIRED, State.CANCELLED, State.DEAD, State.UNCONFIRMED}


def _provider_id(epoch: int) -> str:
    return f"wamid.{epoch}"


def _receipt(epoch: int, kind: ReceiptKind) -> Receipt:
    return a_receipt(kind, provider_message_id=_provider_id(epoch))


TestMessageWorld = MessageWorld.TestCase
TestMessageWorld.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
