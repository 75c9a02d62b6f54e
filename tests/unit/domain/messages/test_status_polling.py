"""How long is a message without news asked after, and does its state stay the truth all the while?"""

from datetime import timedelta

import pytest

from messaging.domain.messages.change import Change, Schedule, Unschedule
from messaging.domain.messages.message_state import DispatchKind, MessageState
from messaging.domain.messages.receipts import ProviderError, Receipt, ReceiptKind
from messaging.domain.messages.retry import DURABLE, SIMPLE, Sent
from messaging.domain.messages.state import AWAITING_NEWS, State
from messaging.domain.messages.transitions.lifecycle import receive
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.messages.transitions.status_polling import Asked, poll_status
from tests.builders import NOON, WAMID, a_receipt, a_state

IN_SIX_HOURS = Schedule(kind=DispatchKind.POLL_STATUS, due_at=NOON + timedelta(hours=6))
SENT = Sent(provider_message_id=WAMID)


def checked(message: MessageState, *found: Receipt, asked: Asked = Asked.YES) -> Change:
    change = poll_status(message, found, asked=asked)
    assert change is not None
    return change


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN, State.UNCONFIRMED, State.QUEUED, State.DEAD])
def test_what_the_provider_has_sent_but_not_delivered_is_checked_in_six_hours(state: State) -> None:
    change = receive(a_state(state, checks=7), [(1, a_receipt(ReceiptKind.SENT))])

    # What had been counted were slow retries; now it is silence that is counted.
    assert (change.state, change.dispatch, change.checks) == (State.SENT, IN_SIX_HOURS, 0)


def test_the_interval_can_be_another() -> None:
    change = conclude(a_state(State.SENDING), epoch=1, result=SENT, check_every=timedelta(minutes=1))

    assert change.dispatch == Schedule(kind=DispatchKind.POLL_STATUS, due_at=NOON + timedelta(minutes=1))


@pytest.mark.parametrize("state", sorted(AWAITING_NEWS))
def test_sent_is_no_end_so_the_check_that_is_arranged_stays(state: State) -> None:
    change = receive(a_state(state, checks=3), [(1, a_receipt(ReceiptKind.SENT))])

    assert (change.dispatch, change.checks) == (None, 3)


def test_a_policy_without_checks_lets_silence_be() -> None:
    change = conclude(a_state(State.SENDING, policy=SIMPLE.name), epoch=1, result=SENT)

    assert (change.state, change.dispatch) == (State.SUBMITTED, Unschedule())


@pytest.mark.parametrize("state", sorted(AWAITING_NEWS))
@pytest.mark.parametrize("asked", list(Asked))
def test_a_check_without_news_is_on_the_timeline_and_arranges_the_next(state: State, asked: Asked) -> None:
    change = checked(a_state(state, checks=4), asked=asked)

    [entry] = change.entries
    assert (entry.type, entry.state) == ("message.checked", state)
    assert entry.detail == {"check": 5, "of": 28, "news": "no", "asked": asked}
    assert (change.state, change.checks, change.dispatch) == (state, 5, IN_SIX_HOURS)


def test_after_the_last_check_the_state_stays_and_the_timeline_says_that_nothing_more_will_come() -> None:
    change = checked(a_state(State.SENT, checks=DURABLE.checks - 1))

    assert [entry.type for entry in change.entries] == ["message.checked", "message.silent"]
    assert (change.state, change.checks, change.dispatch) == (State.SENT, 28, Unschedule())
    assert change.attempt == ()


def test_all_checks_together_take_seven_days() -> None:
    message, ends = a_state(State.SUBMITTED), NOON
    while True:
        change = checked(message)
        message = a_state(State.SUBMITTED, checks=change.checks)
        ends += timedelta(hours=6)
        if change.dispatch == Unschedule():
            break

    assert ends - NOON == timedelta(days=7)


def test_news_from_the_history_moves_the_message_and_ends_the_checks() -> None:
    known, new = a_receipt(ReceiptKind.SENT), a_receipt(ReceiptKind.DELIVERED)

    change = checked(a_state(State.SENT), known, new)

    assert [entry.type for entry in change.entries] == ["receipt.delivered", "message.checked"]
    assert change.entries[0].detail["source"] == "history"
    assert change.entries[1].detail["news"] == "yes"
    assert (change.state, change.dispatch, change.error) == (State.DELIVERED, Unschedule(), None)


def test_news_that_are_no_end_are_noted_and_the_checks_go_on() -> None:
    change = checked(a_state(State.SUBMITTED), a_receipt(ReceiptKind.SENT))

    assert (change.state, change.dispatch) == (State.SENT, IN_SIX_HOURS)


@pytest.mark.parametrize("error", [None, ProviderError(code="131026", reason="Undeliverable.")])
def test_a_failure_found_in_the_history_brings_its_reason(error: ProviderError | None) -> None:
    change = checked(a_state(State.SENT), a_receipt(ReceiptKind.FAILED, error=error))

    assert change.state is State.FAILED
    assert change.error == (error or ProviderError(code="failed", reason="The provider gave no reason."))


@pytest.mark.parametrize("state", [state for state in State if state not in AWAITING_NEWS])
def test_where_news_came_first_nothing_is_checked(state: State) -> None:
    assert poll_status(a_state(state), [a_receipt()], asked=Asked.YES) is None
