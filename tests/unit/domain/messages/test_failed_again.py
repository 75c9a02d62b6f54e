"""When may a failed message be sent again, and what does late news of its failed attempt mean afterwards?"""

from datetime import timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace

from messaging.domain.messages.change import AttemptUpdated
from messaging.domain.messages.message_state import LastAttempt, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.retry import Rejected, Sent
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions.lifecycle import LONGEST_SEND, conclude, receive, requeue, start, take_up
from messaging.domain.messages.transitions.projection import project
from messaging.domain.shared.errors import DomainError
from tests.builders import NOON, a_receipt, a_state, an_attempt

LEASE = timedelta(seconds=30)


def failed(**attempt: object) -> MessageState:
    closed: dict[str, object] = {"phase": Phase.CLOSED, "outcome": Outcome.ACCEPTED, "lease_live": False}
    return a_state(State.FAILED, attempt=an_attempt(**(closed | attempt)))


def sent_again() -> MessageState:
    """Failed by a receipt of its first attempt, and queued again by a person who accepts a duplicate."""
    message = failed(http_status=200)
    return project(message, requeue(message, by="key_1", possible_duplicate=True), now=NOON)


def under_way() -> MessageState:
    """The same, with its second attempt started."""
    claimed = _after(sent_again(), take_up(sent_again(), worker="w2", lease=LEASE))
    return _after(claimed, start(claimed, epoch=2, worker="w2", lease=LEASE))


def _after(message: MessageState, change: object) -> MessageState:
    assert change is not None
    return project(message, change, now=NOON)  # type: ignore[arg-type]


def old(kind: ReceiptKind) -> tuple[int, Receipt]:
    return 1, a_receipt(kind)


def test_what_the_provider_refused_is_sent_again_without_a_risk() -> None:
    change = requeue(failed(outcome=Outcome.REJECTED), by="key_1")

    assert (change.state, change.possible_duplicate, change.attempts, change.error) == (State.QUEUED, False, 0, None)
    assert change.entries[0].detail == {"by": "key_1", "possible_duplicate": "false"}


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param({"outcome": Outcome.ACCEPTED}, id="it was accepted first, and may be delivered after all"),
        pytest.param({"outcome": Outcome.PRESUMED_ABSENT}, id="a person settled it, and nobody knows"),
        pytest.param({"outcome": Outcome.NOT_SENT}, id="a receipt of an older attempt ended it"),
    ],
)
def test_what_may_have_arrived_needs_the_risk_accepted(attempt: dict[str, object]) -> None:
    with pytest.raises(DomainError) as refusal:
        requeue(failed(**attempt), by="key_1")

    assert refusal.value.code == "duplicate_risk"
    assert requeue(failed(**attempt), by="key_1", possible_duplicate=True).possible_duplicate


def test_a_request_that_may_still_be_under_way_is_waited_for() -> None:
    sending = {"phase": Phase.STARTED, "outcome": None, "started_at": NOON - LONGEST_SEND + timedelta(seconds=1)}

    with pytest.raises(DomainError, match="under way"):
        requeue(failed(**sending), by="key_1", possible_duplicate=True)

    lost = requeue(failed(**sending | {"started_at": NOON - LONGEST_SEND}), by="key_1", possible_duplicate=True)
    assert lost.attempt == (AttemptUpdated(epoch=1, phase=Phase.CLOSED, outcome=Outcome.PRESUMED_ABSENT),)


@pytest.mark.parametrize("message", [sent_again(), under_way()], ids=["queued again", "on its way again"])
@pytest.mark.parametrize("kind", [ReceiptKind.FAILED, ReceiptKind.SENT])
def test_that_the_old_attempt_was_taken_and_failed_is_no_news(message: MessageState, kind: ReceiptKind) -> None:
    change = receive(message, [old(kind)], failed_attempt=1)

    assert (change.state, change.attempt, change.dispatch) == (message.state, (), None)
    assert (change.attempts, change.entries[0].detail["effect"]) == (message.attempts, "none")


def test_that_the_old_attempt_was_delivered_after_all_stops_the_new_one() -> None:
    message = sent_again()

    change = receive(message, [old(ReceiptKind.DELIVERED)], failed_attempt=1)

    assert change.state is State.DELIVERED


def test_the_new_attempts_own_news_counts() -> None:
    change = receive(under_way(), [(2, a_receipt(ReceiptKind.FAILED))], failed_attempt=1)

    assert change.state is State.FAILED


@pytest.mark.parametrize(
    "news",
    [
        [(1, ReceiptKind.SENT), (1, ReceiptKind.FAILED), (2, ReceiptKind.SENT), (2, ReceiptKind.DELIVERED)],
        [(1, ReceiptKind.SENT), (1, ReceiptKind.FAILED), (2, ReceiptKind.SENT), (2, ReceiptKind.FAILED)],
        [(1, ReceiptKind.FAILED), (1, ReceiptKind.DELIVERED), (2, ReceiptKind.FAILED)],
        [(1, ReceiptKind.FAILED), (2, ReceiptKind.SENT)],
    ],
)
def test_late_news_of_both_attempts_ends_alike_in_any_order(news: list[tuple[int, ReceiptKind]]) -> None:
    ends = set()
    for order in permutations(news):
        message = under_way()
        for epoch, kind in order:
            message = _after(message, receive(message, [(epoch, a_receipt(kind))], failed_attempt=1))
        together = receive(under_way(), [(epoch, a_receipt(kind)) for epoch, kind in order], failed_attempt=1)
        ends |= {message.state, together.state}

    assert len(ends) == 1


def test_the_worker_of_the_old_attempt_learns_too_late_that_it_was_accepted() -> None:
    """A receipt was quicker than the answer, and a person quicker than the worker."""
    message = replace(sent_again(), attempt=_answerless(sent_again().attempt))

    change = conclude(message, epoch=1, result=Sent(provider_message_id="wamid.1"), failed_attempt=1)

    assert (change.state, change.dispatch) == (State.QUEUED, None)
    assert change.entries[0].type == "attempt.late_result"


def _answerless(attempt: LastAttempt | None) -> LastAttempt:
    assert attempt is not None
    return replace(attempt, http_status=None)


def test_a_second_refusal_fails_it_again() -> None:
    change = conclude(under_way(), epoch=2, result=Rejected(code="131026", reason="Undeliverable."), failed_attempt=1)

    assert change.state is State.FAILED


@pytest.mark.parametrize(
    ("outcome", "told"),
    [(Outcome.ACCEPTED, {"failed_attempt": 2}), (Outcome.PRESUMED_ABSENT, {}), (Outcome.NOT_SENT, {})],
)
def test_the_attempt_that_failed_after_its_acceptance_is_told_to_later_receipts(
    outcome: Outcome, told: dict[str, int]
) -> None:
    change = requeue(failed(outcome=outcome, epoch=2), by="key_1", possible_duplicate=True)

    assert change.entries[0].detail == {"by": "key_1", "possible_duplicate": "true"} | told


def test_a_failed_message_without_an_attempt_on_record_is_sent_again_at_ones_own_risk() -> None:
    change = requeue(a_state(State.FAILED, attempt=None), by="key_1", possible_duplicate=True)

    assert (change.state, change.possible_duplicate, change.attempt) == (State.QUEUED, True, ())


@pytest.mark.parametrize(
    ("state", "lease_live", "began", "waits"),
    [
        (State.FAILED, True, 2 * LONGEST_SEND, True),
        (State.FAILED, False, None, True),
        (State.FAILED, False, LONGEST_SEND - timedelta(seconds=1), True),
        (State.FAILED, False, LONGEST_SEND, False),
        (State.DEAD, True, timedelta(0), False),
    ],
)
def test_a_failed_message_whose_request_may_be_under_way_is_not_sent_again_yet(
    state: State, lease_live: bool, began: timedelta | None, waits: bool
) -> None:
    started_at = None if began is None else NOON - began
    attempt = an_attempt(phase=Phase.STARTED, lease_live=lease_live, started_at=started_at)
    message = a_state(state, attempt=attempt)

    if waits:
        with pytest.raises(DomainError, match="under way"):
            requeue(message, by="key_1", possible_duplicate=True)
    else:
        assert requeue(message, by="key_1", possible_duplicate=True).state is State.QUEUED
