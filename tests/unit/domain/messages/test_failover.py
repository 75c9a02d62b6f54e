"""What may have been sent without a record of it waits for its echo, and is not sent again by itself."""

from datetime import timedelta

import pytest

from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import AttemptOpened, AttemptUpdated, Schedule
from messaging.domain.messages.message import ECHO_GRACE, Category
from messaging.domain.messages.message_state import DispatchKind, Outcome, Phase
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions.failover import FAILOVER, recover_failover
from tests.builders import NOON, a_state

WAITS = Schedule(kind=DispatchKind.RESOLVE_UNKNOWN, due_at=NOON + ECHO_GRACE[Channel.WHATSAPP, Category.UTILITY])


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
def test_a_message_that_was_due_gets_the_attempt_that_may_be_forgotten(state: State) -> None:
    change = recover_failover(a_state(state, possible_duplicate=True))

    assert change is not None
    assert change.attempt == (
        AttemptOpened(epoch=1, lease_owner="failover", lease=timedelta(0), possible_duplicate=True, forgotten=True),
    )
    assert (change.state, change.epoch, change.attempts, change.error) == (State.UNKNOWN, 1, 0, FAILOVER)
    assert change.dispatch == WAITS


@pytest.mark.parametrize(("state", "tries"), [(State.CLAIMED, 0), (State.SENDING, 1)])
def test_a_message_that_a_worker_held_keeps_its_attempt_which_is_unclear_now(state: State, tries: int) -> None:
    change = recover_failover(a_state(state))

    assert change is not None
    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.UNKNOWN, outcome=Outcome.UNKNOWN),)
    assert (change.state, change.epoch, change.attempts) == (State.UNKNOWN, 1, tries)
    assert change.dispatch == WAITS


@pytest.mark.parametrize("state", [State.UNKNOWN, State.SUBMITTED, State.DELIVERED, State.DEAD, State.CANCELLED])
def test_a_message_past_its_sending_is_left_alone(state: State) -> None:
    assert recover_failover(a_state(state)) is None
