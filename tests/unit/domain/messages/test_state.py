"""Is every step of a message decided, and does the table say what the specification says?"""

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.state import (
    LEGAL_MOVES,
    MOVES,
    RANK,
    TERMINAL,
    TRANSITIONS,
    Move,
    Refusal,
    Signal,
    State,
    Stay,
    advance,
    initial,
    public,
)

STATES, SIGNALS = list(State), list(Signal)
RECEIPTS = [kind.signal for kind in ReceiptKind]
# Decisions of our own: in the wrong state they are refused, never passed over.
DECISIONS = {
    Signal.CLAIM,
    Signal.EXPIRE,
    Signal.CANCEL,
    Signal.START,
    Signal.RESEND,
    Signal.OPERATOR_REQUEUE,
    Signal.OPERATOR_FAIL,
    Signal.GIVE_UP,
    Signal.RECOVER_FAILOVER,
}

# The specification, read a second time: what may follow each state in one step.
NEXT = {
    State.SCHEDULED: {State.QUEUED, State.EXPIRED, State.CANCELLED},
    State.QUEUED: {State.CLAIMED, State.EXPIRED, State.CANCELLED, State.DEAD, State.SUBMITTED, State.UNKNOWN},
    State.CLAIMED: {State.QUEUED, State.SENDING, State.DEAD, State.SUBMITTED, State.UNKNOWN},
    State.SENDING: {State.QUEUED, State.UNKNOWN, State.SUBMITTED},
    State.UNKNOWN: {State.QUEUED, State.UNCONFIRMED, State.SUBMITTED},
    State.UNCONFIRMED: {State.QUEUED, State.SUBMITTED},
    State.DEAD: {State.QUEUED, State.SUBMITTED},
    State.EXPIRED: {State.SUBMITTED},
    State.CANCELLED: {State.SUBMITTED},
    State.SUBMITTED: set(),
    State.SENT: set(),
    State.DELIVERED: set(),
    State.READ: set(),
    State.FAILED: {State.QUEUED},
}
REPORTED = {State.SENT, State.DELIVERED, State.READ, State.FAILED}
AFTER_A_RECEIPT = {
    State.SCHEDULED: set(),
    State.SUBMITTED: REPORTED,
    State.SENT: REPORTED - {State.SENT},
    State.FAILED: {State.DELIVERED, State.READ},
    State.DELIVERED: {State.READ},
    State.READ: set(),
}


def after(state: State, signal: Signal) -> State:
    step = advance(state, signal)
    return step.state if isinstance(step, Move) else state


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(STATES, SIGNALS)))
def test_every_pair_of_state_and_signal_is_decided(state: State, signal: Signal) -> None:
    step = advance(state, signal)

    if (state, signal) in MOVES:
        assert step == Move(MOVES[state, signal])
    else:
        assert step == (Refusal() if signal in DECISIONS else Stay())


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_followed_by_exactly_those_of_the_specification(state: State) -> None:
    followers = {target for source, target in LEGAL_MOVES if source is state}

    assert followers == NEXT[state] | AFTER_A_RECEIPT.get(state, REPORTED)


def test_no_pair_of_state_and_signal_stands_in_the_table_twice() -> None:
    pairs = [(source, row.signal) for row in TRANSITIONS for source in row.sources]

    assert len(pairs) == len(set(pairs))


def test_every_row_of_the_table_leads_somewhere_else_and_carries_a_name_of_the_specification() -> None:
    assert all(row.target not in row.sources for row in TRANSITIONS)
    # T1 is `initial`; T21 looks without moving.
    assert {row.name for row in TRANSITIONS} == {f"T{number}" for number in range(2, 24)} - {"T21"}


def test_every_signal_but_the_mere_look_moves_something() -> None:
    assert {row.signal for row in TRANSITIONS} == set(SIGNALS) - {Signal.CHECK}


def test_every_state_can_be_reached() -> None:
    reached = {initial(scheduled=True), initial(scheduled=False)}
    for _ in STATES:
        reached |= {target for source, target in LEGAL_MOVES if source in reached}

    assert reached == set(STATES)


def test_from_every_state_that_is_no_end_an_end_can_be_reached() -> None:
    reaching = set(TERMINAL)
    for _ in STATES:
        reaching |= {source for source, target in LEGAL_MOVES if target in reaching}

    assert reaching == set(STATES)


def test_bytes_leave_only_after_a_claim() -> None:
    assert {source for source, target in LEGAL_MOVES if target is State.SENDING} == {State.CLAIMED}
    assert {source for source, target in LEGAL_MOVES if target is State.CLAIMED} == {State.QUEUED}


def test_receipts_that_rank_states_are_the_whole_vocabulary() -> None:
    assert set(RANK) == REPORTED | {State.SUBMITTED}
    assert sorted(RANK.values()) == [1, 2, 3, 4, 5]


@given(state=st.sampled_from(STATES), signals=st.lists(st.sampled_from(SIGNALS), max_size=12))
def test_once_the_provider_has_the_message_its_rank_never_falls(state: State, signals: list[Signal]) -> None:
    states = list(itertools.accumulate(signals, after, initial=state))

    for before, following in itertools.pairwise(states):
        if (before, following) == (State.FAILED, State.QUEUED):
            # A person has sent it again: another attempt's ranks begin.
            continue
        assert following in RANK or before not in RANK
        assert RANK.get(following, 0) >= RANK.get(before, 0)


@given(signals=st.lists(st.sampled_from(RECEIPTS), min_size=1, max_size=8), data=st.data())
def test_receipts_end_in_the_same_state_in_any_order_and_repetition(signals: list[Signal], data: st.DataObject) -> None:
    start: State = data.draw(st.sampled_from([state for state in STATES if state is not State.SCHEDULED]))
    shuffled = data.draw(st.permutations(signals + data.draw(st.lists(st.sampled_from(signals), max_size=5))))

    ends = {functools.reduce(after, order, start) for order in (signals, shuffled)}

    reported = [MOVES.get((State.SUBMITTED, signal), State.SUBMITTED) for signal in signals]
    best = max([*reported, *([start] if start in RANK else [])], key=RANK.__getitem__)
    assert ends == {best}


def test_the_public_names_are_the_thirteen() -> None:
    assert len({public(state) for state in STATES}) == 13
    assert public(State.CLAIMED) == "queued"


def test_a_message_starts_queued_or_scheduled() -> None:
    assert initial(scheduled=False) is State.QUEUED
    assert initial(scheduled=True) is State.SCHEDULED
