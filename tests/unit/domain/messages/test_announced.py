"""Is every public step of a message announced, once, and no private one?"""

from collections.abc import Sequence

import pytest

from messaging.domain.messages.change import Change, Entry
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import LEGAL_MOVES, State, public
from messaging.domain.messages.transitions.announced import ACCEPTED, SCHEDULED, announced, first_event
from tests.builders import MESSAGE, TENANT

PRIVATE = {"queued", "sending"}


def a_change(previous: State, *entries: tuple[str, State], seq: int = 3) -> Change:
    return Change(
        key=MessageKey(TENANT, MESSAGE),
        expected_seq=seq,
        previous=previous,
        state=entries[-1][1],
        entries=tuple(Entry(type=type, state=state) for type, state in entries),
        epoch=1,
        attempts=1,
        checks=0,
        claim_failures=0,
    )


def told(change: Change) -> Sequence[tuple[int, str]]:
    return [(event.sequence, event.type) for event in announced(change)]


@pytest.mark.parametrize(("before", "after"), sorted(LEGAL_MOVES))
def test_a_move_into_another_public_state_is_announced_once(before: State, after: State) -> None:
    wanted = [] if public(after) in PRIVATE or public(after) == public(before) else [(4, f"message.{public(after)}")]

    assert told(a_change(before, ("some.entry", after))) == wanted


def test_a_message_that_is_put_back_to_be_sent_again_is_announced_as_requeued() -> None:
    assert told(a_change(State.DEAD, ("message.requeued", State.QUEUED))) == [(4, "message.requeued")]


def test_an_entry_that_moves_nothing_is_private() -> None:
    assert told(a_change(State.DELIVERED, ("receipt.delivered", State.DELIVERED))) == []


def test_each_step_of_a_change_is_announced_with_the_number_of_its_entry() -> None:
    change = a_change(
        State.SENDING,
        ("message.submitted", State.SUBMITTED),
        ("receipt.sent", State.SENT),
        ("message.checked", State.SENT),
        ("receipt.delivered", State.DELIVERED),
        seq=7,
    )

    assert told(change) == [(8, "message.submitted"), (9, "message.sent"), (11, "message.delivered")]


def test_an_accepted_message_is_announced_as_scheduled_if_it_waits() -> None:
    assert (first_event(State.QUEUED), first_event(State.SCHEDULED)) == (ACCEPTED, SCHEDULED)
