"""What follows from a provider's answer, from its absence, and from an answer that comes too late?"""

from datetime import timedelta

import pytest
from msgspec import UNSET

from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import AttemptUpdated, Change, Schedule, Unschedule
from messaging.domain.messages.message import ECHO_GRACE, Category
from messaging.domain.messages.message_state import DispatchKind, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import (
    Failure,
    Rejected,
    Scope,
    SendResult,
    Sent,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
)
from messaging.domain.messages.state import RANK, State
from messaging.domain.messages.transitions.lifecycle import conclude
from tests.builders import NOON, WAMID, a_state, an_attempt

SENT = Sent(provider_message_id=WAMID)
REJECTED = Rejected(code="131026", reason="Undeliverable.", http_status=400)
UNAVAILABLE = Unavailable(code="131016", reason="Overloaded.", http_status=503)
THROTTLED = Throttled(code="130429", reason="Too fast.", scope=Scope.SENDER, retry_after=timedelta(seconds=7))
UNREACHABLE = Unreachable(reason="Connection refused.")
UNCERTAIN = Uncertain(reason="The connection broke.")
FAILURES: list[Failure] = [REJECTED, UNAVAILABLE, THROTTLED, UNREACHABLE, UNCERTAIN]
RESULTS: list[SendResult] = [SENT, *FAILURES]


def answer(message: MessageState, result: SendResult, *, epoch: int = 1) -> Change:
    return conclude(message, epoch=epoch, result=result, latency_ms=120)


def closed(change: Change) -> list[tuple[int, Phase, Outcome | None]]:
    return [(a.epoch, a.phase, a.outcome) for a in change.attempt if isinstance(a, AttemptUpdated)]


def deliver_in(seconds: int) -> Schedule:
    return Schedule(kind=DispatchKind.DELIVER, due_at=NOON + timedelta(seconds=seconds))


# --- the answer to a send that is under way -------------------------------------------------------------------------


def test_an_accepted_send_is_submitted_and_only_a_check_of_its_silence_waits() -> None:
    change = answer(a_state(State.SENDING), SENT)

    assert change.state is State.SUBMITTED
    assert change.dispatch == Schedule(kind=DispatchKind.POLL_STATUS, due_at=NOON + timedelta(hours=6))
    assert change.error is None
    assert change.attempts == 1
    assert [(entry.type, entry.state) for entry in change.entries] == [("message.submitted", State.SUBMITTED)]
    assert change.attempt == (
        AttemptUpdated(
            epoch=1,
            phase=Phase.CLOSED,
            outcome=Outcome.ACCEPTED,
            provider_message_id=WAMID,
            http_status=200,
            latency_ms=120,
        ),
    )


def test_a_send_held_for_quality_assessment_says_so_in_the_timeline() -> None:
    change = answer(a_state(State.SENDING), Sent(provider_message_id=WAMID, held=True))

    assert change.entries[0].detail["held"] == "held_for_quality_assessment"


def test_a_refusal_for_good_fails_the_message() -> None:
    change = answer(a_state(State.SENDING), REJECTED)

    assert change.state is State.FAILED
    assert change.dispatch == Unschedule()
    assert change.error == ProviderError(code="131026", reason="Undeliverable.")
    assert closed(change) == [(1, Phase.CLOSED, Outcome.REJECTED)]
    assert change.attempts == 1
    assert [entry.type for entry in change.entries] == ["message.failed"]


@pytest.mark.parametrize(
    ("failure", "outcome", "wait", "attempts"),
    [
        (UNAVAILABLE, Outcome.UNAVAILABLE, 2, 1),
        (UNREACHABLE, Outcome.NOT_SENT, 2, 1),
        (THROTTLED, Outcome.THROTTLED, 7, 0),
    ],
)
def test_a_proven_miss_is_queued_again_with_the_policys_wait(
    failure: Failure, outcome: Outcome, wait: int, attempts: int
) -> None:
    change = answer(a_state(State.SENDING), failure)

    assert change.state is State.QUEUED
    assert change.dispatch == deliver_in(wait)
    assert change.attempts == attempts
    assert closed(change) == [(1, Phase.CLOSED, outcome)]
    assert change.entries[0].type == "attempt.refused"
    assert change.entries[0].detail["retry_in_seconds"] == wait


def test_when_all_tries_are_used_up_the_message_is_a_dead_letter() -> None:
    change = answer(a_state(State.SENDING, attempts=3, policy="simple"), UNAVAILABLE)

    assert change.state is State.DEAD
    assert change.dispatch == Unschedule()
    assert change.attempts == 4
    assert change.error == ProviderError(code="131016", reason="Overloaded.")
    assert [(entry.type, entry.state) for entry in change.entries] == [
        ("attempt.refused", State.QUEUED),
        ("message.dead", State.DEAD),
    ]


@pytest.mark.parametrize("failure", [UNAVAILABLE, THROTTLED, UNREACHABLE])
def test_a_retry_that_would_come_too_late_expires_the_message(failure: Failure) -> None:
    change = answer(a_state(State.SENDING, expires_at=NOON + timedelta(seconds=1)), failure)

    assert change.state is State.EXPIRED
    assert change.dispatch == Unschedule()
    assert [entry.type for entry in change.entries] == ["attempt.refused", "message.expired"]
    assert (len(closed(change)), change.attempts) == (1, 1)


@pytest.mark.parametrize("category", list(Category))
def test_an_unclear_outcome_waits_for_the_echo_as_long_as_its_category_allows(category: Category) -> None:
    change = answer(a_state(State.SENDING, category=category), UNCERTAIN)

    assert change.state is State.UNKNOWN
    assert closed(change) == [(1, Phase.UNKNOWN, Outcome.UNKNOWN)]
    assert change.dispatch == Schedule(
        kind=DispatchKind.RESOLVE_UNKNOWN, due_at=NOON + ECHO_GRACE[Channel.WHATSAPP, category]
    )
    assert change.attempts == 1


def test_a_connection_that_failed_before_the_stamp_is_tried_again() -> None:
    change = answer(a_state(State.CLAIMED), UNREACHABLE)

    assert change.state is State.QUEUED
    assert closed(change) == [(1, Phase.CLOSED, Outcome.NOT_SENT)]
    assert change.dispatch == deliver_in(2)


# --- answers that come after the sweep gave the worker up -----------------------------------------------------------


def test_the_worker_that_was_thought_lost_may_still_report_acceptance() -> None:
    change = answer(a_state(State.UNKNOWN), SENT)

    assert change.state is State.SUBMITTED
    assert change.dispatch == Schedule(kind=DispatchKind.POLL_STATUS, due_at=NOON + timedelta(hours=6))
    assert change.error is None


@pytest.mark.parametrize("failure", [UNAVAILABLE, UNREACHABLE])
def test_a_late_proof_of_non_acceptance_ends_the_wait_and_counts_the_try_once(failure: Failure) -> None:
    change = answer(a_state(State.UNKNOWN, attempts=1), failure)

    assert change.state is State.QUEUED
    assert change.attempts == 1
    assert change.dispatch == deliver_in(2)


def test_a_late_refusal_for_good_fails_the_message() -> None:
    change = answer(a_state(State.UNKNOWN), REJECTED)

    assert (change.state, change.attempts) == (State.FAILED, 1)


def test_a_late_unclear_answer_tells_nothing_new_and_does_not_prolong_the_wait() -> None:
    change = answer(a_state(State.UNKNOWN, attempts=1), UNCERTAIN)

    assert change.state is State.UNKNOWN
    assert change.dispatch is None
    assert change.attempts == 1
    assert [entry.type for entry in change.entries] == ["attempt.late_result"]


@pytest.mark.parametrize(
    "state", [State.QUEUED, State.CLAIMED, State.UNCONFIRMED, State.DEAD, State.EXPIRED, State.CANCELLED]
)
def test_acceptance_is_believed_whatever_was_believed_before(state: State) -> None:
    message = a_state(state, epoch=2, attempt=an_attempt(epoch=2))

    change = answer(message, SENT, epoch=1)

    assert change.state is State.SUBMITTED
    assert change.dispatch == Schedule(kind=DispatchKind.POLL_STATUS, due_at=NOON + timedelta(hours=6))


def test_acceptance_of_an_older_attempt_closes_the_newer_claim_before_a_byte_leaves() -> None:
    message = a_state(State.CLAIMED, epoch=2, attempt=an_attempt(epoch=2))

    change = answer(message, SENT, epoch=1)

    assert closed(change) == [(2, Phase.CLOSED, Outcome.NOT_SENT), (1, Phase.CLOSED, Outcome.ACCEPTED)]


@pytest.mark.parametrize("state", [State.SENT, State.DELIVERED, State.READ])
def test_a_receipt_that_was_quicker_than_our_own_commit_is_not_undone(state: State) -> None:
    change = answer(a_state(state), SENT)

    assert change.state is state
    assert change.error is None
    assert [entry.type for entry in change.entries] == ["attempt.accepted"]


def test_acceptance_after_a_failed_receipt_keeps_the_providers_error() -> None:
    change = answer(a_state(State.FAILED), SENT)

    assert change.state is State.FAILED
    assert change.error is UNSET


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("state", [state for state in State if state not in (State.SENDING, State.UNKNOWN)])
def test_a_late_failure_closes_its_attempt_and_moves_nothing(failure: Failure, state: State) -> None:
    message = a_state(state, epoch=2, attempt=an_attempt(epoch=2))

    change = answer(message, failure, epoch=1)

    assert change.state is state
    assert change.dispatch is None
    assert change.error is UNSET
    assert change.attempts == message.attempts
    is_unclear = isinstance(failure, Uncertain)
    assert [(epoch, phase, outcome is None) for epoch, phase, outcome in closed(change)] == [
        (1, Phase.CLOSED, is_unclear)
    ]
    assert [entry.type for entry in change.entries] == ["attempt.late_result"]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN])
def test_an_older_attempts_failure_does_not_touch_the_newer_one(failure: Failure, state: State) -> None:
    message = a_state(state, epoch=2, attempt=an_attempt(epoch=2, phase=Phase.STARTED))

    change = answer(message, failure, epoch=1)

    assert change.state is state
    assert all(epoch == 1 for epoch, _, _ in closed(change))


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("epoch", [1, 2])
def test_every_answer_in_every_state_is_written_down(result: SendResult, state: State, epoch: int) -> None:
    message = a_state(state, epoch=2, attempt=an_attempt(epoch=2))

    change = answer(message, result, epoch=epoch)

    assert change.entries
    assert change.expected_seq == message.seq
    assert (change.previous, change.entries[-1].state) == (state, change.state)
    assert any(phase is not Phase.CLAIMED and at == epoch for at, phase, _ in closed(change))
    assert RANK.get(change.state, 0) >= RANK.get(state, 0)


@pytest.mark.parametrize("failure", [UNAVAILABLE, Uncertain(reason="no answer")])
def test_an_attempt_is_closed_unless_what_came_of_it_is_unclear(failure: Failure) -> None:
    is_unclear = isinstance(failure, Uncertain)

    [(_, phase, outcome)] = closed(answer(a_state(State.SENDING), failure))

    assert (phase is Phase.UNKNOWN, outcome is Outcome.UNKNOWN) == (is_unclear, is_unclear)
