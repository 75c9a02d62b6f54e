"""What may settle an unclear send, by what its provider can prove."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.change import Change, Schedule, Unschedule
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.message_state import DispatchKind, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import DURABLE, SIMPLE, Rejected, Scope, Sent, Throttled, Uncertain, Unreachable
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle, unclear
from messaging.domain.messages.transitions.failover import recover_failover
from messaging.domain.messages.transitions.negative_evidence import Evidence
from messaging.domain.messages.transitions.projection import project
from messaging.domain.messages.transitions.status_polling import Asked
from messaging.domain.messages.unclear_sends import Recourse, recourse
from messaging.domain.shared.unclear import OnUnknown
from tests.builders import NOON, a_receipt, a_state, an_attempt

GRACE = timedelta(minutes=15)
LOST = Uncertain(reason="no answer")
PROVEN = Evidence(later_receipts=20, heard_until=NOON + timedelta(days=1))

ECHO = Capabilities(echoes_reference=True, confirms_delivery=True)
FINDS = Capabilities(can_find=True, confirms_delivery=True)
FINDS_AND_ECHOES = Capabilities(can_find=True, echoes_reference=True, confirms_delivery=True)
KEY = Capabilities(takes_idempotency_key=True, confirms_delivery=True)
KEY_AND_ECHO = Capabilities(takes_idempotency_key=True, echoes_reference=True, confirms_delivery=True)
KEY_AND_FINDS = Capabilities(takes_idempotency_key=True, can_find=True, confirms_delivery=True)
NOTHING = Capabilities()

WAITS = [int(wait.total_seconds()) for wait in DURABLE.waits]
TO_THE_END = int(GRACE.total_seconds()) - sum(WAITS)


class Unclear:
    """One unclear send. `asked` and `repeated` count what was done; `seconds` are the waits before each look."""

    def __init__(self, can: Capabilities, **changes: Any) -> None:
        self.can = can
        started = an_attempt(phase=Phase.STARTED, started_at=NOON)
        self.message: MessageState = a_state(State.SENDING, **({"attempt": started} | changes))
        self.dispatch: Schedule | Unschedule | None = None
        self.asked = self.repeated = 0
        self.seconds: list[int] = []
        self.types: list[str] = []
        self.apply(lifecycle.conclude(self.message, epoch=1, result=LOST, can=can))

    def apply(self, change: Change | None) -> None:
        assert change is not None
        self.types += [entry.type for entry in change.entries]
        self.dispatch = change.dispatch or self.dispatch
        self.message = project(self.message, change, now=self.message.now)

    @property
    def wait(self) -> timedelta:
        assert isinstance(self.dispatch, Schedule)
        assert self.dispatch.kind is DispatchKind.RESOLVE_UNKNOWN
        return self.dispatch.due_at - self.message.now

    def look(self, *, repeat: Any = LOST, asked: Asked = Asked.YES, evidence: Evidence | None = None) -> Recourse:
        """The next look, at which the provider finds nothing and answers a repeated request with `repeat`."""
        self.seconds.append(int(self.wait.total_seconds()))
        self.message = replace(self.message, now=self.message.now + self.wait)
        done = recourse(self.message, self.can, grace=GRACE)
        match done:
            case Recourse.REPEAT:
                self.repeated += 1
                self.apply(unclear.begin_repeat(self.message, can=self.can, lease=timedelta(minutes=5)))
                self.apply(unclear.conclude_repeat(self.message, epoch=1, result=repeat, can=self.can))
            case Recourse.ASK:
                self.asked += 1
                self.apply(unclear.note_asked(self.message, asked=asked, can=self.can))
            case Recourse.DECIDE:
                self.apply(unclear.resolve_unknown(self.message, evidence, can=self.can))
        return done

    def look_to_the_end(self, **answers: Any) -> None:
        for _ in range(20):
            if self.message.state is not State.UNKNOWN:
                return
            self.look(**answers)
        raise AssertionError("the looks never end")


@pytest.mark.parametrize(
    ("can", "waits", "asked", "repeated"),
    [
        (ECHO, [900], 0, 0),
        (FINDS, [*WAITS, TO_THE_END], 8, 0),
        (FINDS_AND_ECHOES, [*WAITS, TO_THE_END], 8, 0),
        (KEY, WAITS, 0, 7),
        (KEY_AND_ECHO, [*WAITS, TO_THE_END], 0, 7),
        (KEY_AND_FINDS, [*WAITS, TO_THE_END], 1, 7),
        (NOTHING, [0], 0, 0),
    ],
    ids=["echo", "finds", "finds and echoes", "key", "key and echo", "key and finds", "nothing"],
)
def test_what_is_done_follows_from_what_the_provider_can_prove(
    can: Capabilities, waits: list[int], asked: int, repeated: int
) -> None:
    one = Unclear(can)

    one.look_to_the_end()

    assert (one.seconds, one.asked, one.repeated) == (waits, asked, repeated)
    # Nothing was learnt, so a person decides; and no other attempt was ever made.
    assert (one.message.state, one.message.epoch) == (State.UNCONFIRMED, 1)
    assert isinstance(one.dispatch, Unschedule)


def test_a_code_is_asked_about_within_its_shorter_grace() -> None:
    one = Unclear(FINDS, policy=SIMPLE.name)

    one.look_to_the_end()

    assert one.seconds == [5, 15, 45, 900 - 65]


@pytest.mark.parametrize("can", [FINDS, FINDS_AND_ECHOES, KEY_AND_FINDS], ids=["finds", "and echoes", "and key"])
def test_not_found_is_no_proof_of_absence(can: Capabilities) -> None:
    one = Unclear(can, on_unknown=OnUnknown.HOLD)

    one.look_to_the_end(evidence=PROVEN)

    assert one.message.state is State.UNCONFIRMED


def test_a_resend_that_was_chosen_needs_the_silence_of_one_that_echoes_and_an_answer_that_it_was_not_found() -> None:
    ends = {}
    for name, can, asked in (
        ("echoes", FINDS_AND_ECHOES, Asked.YES),
        ("was not asked", FINDS_AND_ECHOES, Asked.NO),
        ("does not echo", FINDS, Asked.YES),
        ("nothing", NOTHING, Asked.YES),
    ):
        one = Unclear(can, on_unknown=OnUnknown.RESEND)
        one.look_to_the_end(asked=asked, evidence=PROVEN)
        ends[name] = one.message.state

    assert ends == {
        "echoes": State.QUEUED,
        "was not asked": State.UNCONFIRMED,
        "does not echo": State.UNCONFIRMED,
        "nothing": State.UNCONFIRMED,
    }


def test_the_answer_to_a_repeated_request_settles_the_attempt() -> None:
    one = Unclear(KEY)

    one.look(repeat=Sent(provider_message_id="x.1"))

    assert (one.message.state, one.message.epoch, one.message.attempts) == (State.SUBMITTED, 1, 1)
    assert one.message.attempt is not None
    assert (one.message.attempt.outcome, one.message.attempt.provider_message_id) == (Outcome.ACCEPTED, "x.1")
    assert one.types[-2:] == ["attempt.repeated", "message.submitted"]


def test_a_repeated_request_that_is_refused_proves_nothing_and_is_not_repeated_again() -> None:
    one, echoed = Unclear(KEY), Unclear(KEY_AND_ECHO)

    one.look(repeat=Rejected(code="401", reason="The token was revoked."))
    echoed.look(repeat=Rejected(code="401", reason="The token was revoked."))

    assert one.message.state is State.UNCONFIRMED
    assert (echoed.message.state, echoed.wait) == (State.UNKNOWN, GRACE - DURABLE.waits[0])
    echoed.look_to_the_end()
    assert (echoed.repeated, echoed.message.state) == (1, State.UNCONFIRMED)


def test_a_repeated_request_waits_as_long_as_it_is_told() -> None:
    told = Throttled(code="429", reason="Too fast.", scope=Scope.SENDER, retry_after=timedelta(seconds=77))
    one = Unclear(KEY)

    one.look(repeat=told)

    assert one.wait == timedelta(seconds=77)


def test_a_request_is_repeated_only_while_its_key_is_remembered() -> None:
    one = Unclear(replace(KEY_AND_ECHO, key_lasts=timedelta(seconds=10)))
    forgotten = replace(one.message, now=NOON + timedelta(seconds=10))

    one.look_to_the_end()

    assert recourse(forgotten, one.can, grace=GRACE) is Recourse.DECIDE
    # The looks come 2 and 6 seconds after the answer was lost; the next would be too late.
    assert (one.repeated, one.seconds) == (2, [2, 4, 894])


def test_an_expired_message_is_not_repeated() -> None:
    one = Unclear(KEY, expires_at=NOON + timedelta(seconds=5))

    one.look_to_the_end()

    assert (one.repeated, one.message.state) == (1, State.UNCONFIRMED)


def test_nothing_is_repeated_after_a_failover_because_later_attempts_may_be_forgotten() -> None:
    sending = a_state(State.SENDING, attempt=an_attempt(phase=Phase.STARTED, started_at=NOON))
    for can, wait in ((KEY, timedelta(0)), (KEY_AND_ECHO, GRACE), (KEY_AND_FINDS, GRACE), (NOTHING, timedelta(0))):
        change = recover_failover(sending, can=can)
        assert change is not None
        assert isinstance(change.dispatch, Schedule)
        assert change.dispatch.due_at == NOON + wait
        after = project(sending, change, now=NOON)
        for grace in (timedelta(0), GRACE, timedelta(days=1)):
            assert recourse(after, can, grace=grace) is not Recourse.REPEAT


def test_once_a_request_was_repeated_a_refusal_of_the_first_does_not_lead_to_another_attempt() -> None:
    """The journal of a dead worker, say, may tell late that its bytes never left; the repeated ones have."""
    late = Unreachable(code="not_departed", reason="The worker died before the first byte was sent.")
    before, after = Unclear(KEY), Unclear(KEY)
    after.look()

    before.apply(lifecycle.conclude(before.message, epoch=1, result=late, can=KEY))
    after.apply(lifecycle.conclude(after.message, epoch=1, result=late, can=KEY))

    assert before.message.state is State.QUEUED
    assert after.message.state is State.UNKNOWN
    assert after.message.attempt is not None
    assert (after.message.attempt.phase, after.types[-1]) == (Phase.UNKNOWN, "attempt.late_result")


@pytest.mark.parametrize("can", [ECHO, FINDS, KEY, NOTHING], ids=["echo", "finds", "key", "nothing"])
def test_a_bounce_still_moves_what_was_left_to_a_person(can: Capabilities) -> None:
    one = Unclear(can)
    one.look_to_the_end()

    one.apply(lifecycle.receive(one.message, [(1, a_receipt(ReceiptKind.FAILED))], can=can))

    assert one.message.state is State.FAILED


# --- sent as the last word --------------------------------------------------------------------------------------------


def sending() -> MessageState:
    return a_state(State.SENDING, attempt=an_attempt(phase=Phase.STARTED, started_at=NOON))


def test_sent_is_the_last_word_of_a_provider_that_does_not_confirm_delivery() -> None:
    change = lifecycle.conclude(sending(), epoch=1, result=Sent(provider_message_id="<1@mail>"), can=NOTHING)

    assert [(entry.type, entry.state) for entry in change.entries] == [
        ("message.submitted", State.SUBMITTED),
        ("message.sent", State.SENT),
    ]
    # No check of its status is arranged.
    assert (change.state, change.dispatch) == (State.SENT, Unschedule())


def test_a_provider_that_confirms_delivery_is_still_waited_for() -> None:
    change = lifecycle.conclude(sending(), epoch=1, result=Sent(provider_message_id="wamid.1"), can=ECHO)

    assert change.state is State.SUBMITTED
    assert isinstance(change.dispatch, Schedule)
    assert change.dispatch.kind is DispatchKind.POLL_STATUS


def test_a_bounce_moves_what_was_sent() -> None:
    message = sending()
    accepted = lifecycle.conclude(message, epoch=1, result=Sent(provider_message_id="<1@mail>"), can=NOTHING)
    sent = project(message, accepted, now=NOON)

    bounced = lifecycle.receive(sent, [(1, a_receipt(ReceiptKind.FAILED))], can=NOTHING)

    assert (bounced.state, bounced.dispatch) == (State.FAILED, Unschedule())


@pytest.mark.parametrize("can", [ECHO, NOTHING], ids=["confirms delivery", "does not"])
def test_receipts_and_the_answer_end_in_the_same_state_in_whatever_order_they_come(can: Capabilities) -> None:
    def answered(message: MessageState) -> Change:
        return lifecycle.conclude(message, epoch=1, result=Sent(provider_message_id="x.1"), can=can)

    def heard(kind: ReceiptKind) -> Callable[[MessageState], Change]:
        return lambda message: lifecycle.receive(message, [(1, a_receipt(kind))], can=can)

    for kinds in ((ReceiptKind.SENT, ReceiptKind.FAILED), (ReceiptKind.OTHER, ReceiptKind.SENT), (ReceiptKind.OTHER,)):
        ends = set()
        for order in permutations([answered, *map(heard, kinds)]):
            message = sending()
            for happens in order:
                message = project(message, happens(message), now=NOON)
            ends.add(message.state)
        assert len(ends) == 1, kinds


def test_the_grace_of_a_channel_is_that_of_the_table() -> None:
    assert ECHO_GRACE[a_state().channel, a_state().category] == GRACE
