"""Who may take a message up, start it, give it back, report on it, and send it again?"""

import itertools
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import AttemptOpened, AttemptUpdated, Change, Schedule, Unschedule
from messaging.domain.messages.message import ECHO_GRACE, Category
from messaging.domain.messages.message_state import DispatchKind, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import ProviderError, ReceiptKind
from messaging.domain.messages.state import RANK, TERMINAL, State
from messaging.domain.messages.transitions.lifecycle import (
    MAX_CLAIM_FAILURES,
    IllegalSignal,
    cancel,
    dead_letter,
    expire,
    is_settled,
    is_suspect,
    receive,
    release,
    requeue,
    resolve,
    resolve_unknown,
    start,
    take_up,
)
from messaging.domain.shared.errors import DomainError
from tests.builders import NOON, WAMID, a_receipt, a_state, an_attempt

LEASE = timedelta(seconds=30)
SENDING_LEASE = timedelta(seconds=60)
LATER = Schedule(kind=DispatchKind.DELIVER, due_at=NOON + timedelta(seconds=5))


def types(change: Change) -> list[str]:
    return [entry.type for entry in change.entries]


def taken(message: MessageState, worker: str = "w2") -> Change:
    change = take_up(message, worker=worker, lease=LEASE)
    assert change is not None
    return change


# --- taking up ------------------------------------------------------------------------------------------------------


def test_a_queued_message_is_claimed_with_an_attempt_and_comes_back_when_the_lease_ends() -> None:
    change = taken(a_state(State.QUEUED))

    assert change.state is State.CLAIMED
    assert change.epoch == 1
    assert change.attempt == (AttemptOpened(epoch=1, lease_owner="w2", lease=LEASE),)
    assert change.dispatch == Schedule(kind=DispatchKind.DELIVER, due_at=NOON + LEASE)
    assert types(change) == ["attempt.claimed"]
    assert (change.attempts, change.checks, change.claim_failures) == (0, 0, 0)


def test_a_scheduled_message_is_queued_and_claimed_in_one_step() -> None:
    change = taken(a_state(State.SCHEDULED))

    assert [(entry.type, entry.state) for entry in change.entries] == [
        ("message.queued", State.QUEUED),
        ("attempt.claimed", State.CLAIMED),
    ]


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
@pytest.mark.parametrize("seconds", [-1, 0])
def test_a_message_past_its_expiry_is_never_claimed(state: State, seconds: int) -> None:
    change = taken(a_state(state, expires_at=NOON + timedelta(seconds=seconds)))

    assert change.state is State.EXPIRED
    assert change.attempt == ()
    assert change.dispatch == Unschedule()
    assert isinstance(change.error, ProviderError)
    assert change.error.code == "expired"


def test_a_message_in_its_last_second_is_still_claimed() -> None:
    assert taken(a_state(expires_at=NOON + timedelta(seconds=1))).state is State.CLAIMED


def test_a_claim_whose_worker_is_gone_goes_back_to_the_queue_with_a_mark() -> None:
    change = taken(a_state(State.CLAIMED))

    assert change.state is State.QUEUED
    assert (change.epoch, change.claim_failures, change.attempts) == (1, 1, 0)
    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.CLOSED, outcome=Outcome.NOT_SENT),)
    assert change.dispatch == Schedule(kind=DispatchKind.DELIVER, due_at=NOON)
    assert types(change) == ["attempt.lease_ended"]


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
def test_a_marked_message_is_suspect_until_it_has_been_claimed(state: State) -> None:
    assert is_suspect(a_state(state, claim_failures=1))
    assert not is_suspect(a_state(state))


@pytest.mark.parametrize("state", [state for state in State if state not in (State.SCHEDULED, State.QUEUED)])
def test_what_is_not_waiting_for_a_claim_is_no_suspect(state: State) -> None:
    assert not is_suspect(a_state(state, claim_failures=2))


def test_a_suspect_is_claimed_under_the_next_epoch_and_keeps_its_marks() -> None:
    change = taken(a_state(State.QUEUED, epoch=1, claim_failures=2))

    assert (change.state, change.epoch, change.claim_failures) == (State.CLAIMED, 2, 2)
    assert change.attempt == (AttemptOpened(epoch=2, lease_owner="w2", lease=LEASE),)


def test_a_message_that_was_started_is_not_suspected_any_more() -> None:
    change = starting(a_state(State.CLAIMED, claim_failures=2))

    assert change is not None
    assert change.claim_failures == 0


def test_a_message_that_keeps_losing_its_workers_is_poison() -> None:
    change = taken(a_state(State.CLAIMED, claim_failures=MAX_CLAIM_FAILURES - 1))

    assert change.state is State.DEAD
    assert change.claim_failures == MAX_CLAIM_FAILURES == 3
    assert isinstance(change.error, ProviderError)
    assert change.error.code == "poison"
    assert change.dispatch == Unschedule()


def test_a_lost_claim_past_its_expiry_ends_expired_with_its_attempt_closed() -> None:
    change = taken(a_state(State.CLAIMED, expires_at=NOON))

    assert change.state is State.EXPIRED
    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.CLOSED, outcome=Outcome.NOT_SENT),)
    assert change.claim_failures == 1


@pytest.mark.parametrize("category", list(Category))
def test_a_send_whose_worker_is_gone_is_unknown_and_waits_for_its_echo(category: Category) -> None:
    change = taken(a_state(State.SENDING, category=category))

    assert change.state is State.UNKNOWN
    assert change.epoch == 1
    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.UNKNOWN, outcome=Outcome.UNKNOWN),)
    assert change.dispatch == Schedule(
        kind=DispatchKind.RESOLVE_UNKNOWN, due_at=NOON + ECHO_GRACE[Channel.WHATSAPP, category]
    )


@pytest.mark.parametrize(
    "state",
    [state for state in State if state not in (State.SCHEDULED, State.QUEUED, State.CLAIMED, State.SENDING)],
)
def test_a_stale_dispatch_does_nothing(state: State) -> None:
    assert take_up(a_state(state), worker="w2", lease=LEASE) is None


# --- starting, giving back, giving up -------------------------------------------------------------------------------


def starting(message: MessageState, *, epoch: int = 1, worker: str = "w1") -> Change | None:
    return start(message, epoch=epoch, worker=worker, lease=SENDING_LEASE)


def test_a_start_is_stamped_and_covers_the_whole_request() -> None:
    change = starting(a_state(State.CLAIMED))

    assert change is not None
    assert change.state is State.SENDING
    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.STARTED),)
    assert change.dispatch == Schedule(kind=DispatchKind.DELIVER, due_at=NOON + SENDING_LEASE)


def test_no_byte_leaves_under_a_lost_fence() -> None:
    claimed = a_state(State.CLAIMED)

    assert starting(claimed, epoch=2) is None
    assert starting(claimed, worker="w2") is None
    assert starting(replace(claimed, attempt=an_attempt(lease_live=False))) is None
    assert starting(replace(claimed, attempt=an_attempt(phase=Phase.STARTED))) is None
    assert starting(replace(claimed, attempt=None)) is None
    assert starting(replace(claimed, epoch=2, attempt=an_attempt(epoch=2))) is None


@pytest.mark.parametrize("state", [state for state in State if state is not State.CLAIMED])
def test_no_byte_leaves_from_any_state_but_a_claim(state: State) -> None:
    assert starting(a_state(state, epoch=1, attempt=an_attempt())) is None


def test_no_byte_leaves_after_the_validity_even_when_it_ended_within_the_lease() -> None:
    assert starting(a_state(State.CLAIMED, expires_at=NOON)) is None
    assert starting(a_state(State.CLAIMED, expires_at=NOON + timedelta(seconds=1))) is not None


def test_a_claim_given_back_uses_up_nothing() -> None:
    message = a_state(State.CLAIMED)

    change = release(message, epoch=1, reason="draining", due_at=LATER.due_at)

    assert change is not None
    assert change.state is State.QUEUED
    assert change.dispatch == LATER
    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.CLOSED, outcome=Outcome.NOT_SENT),)
    assert (change.attempts, change.checks, change.claim_failures) == (0, 0, 0)


def test_content_that_cannot_be_rendered_is_buried_with_its_reason() -> None:
    error = ProviderError(code="unreadable", reason="Its stored content cannot be read.")

    change = dead_letter(a_state(State.CLAIMED), epoch=1, error=error)

    assert change is not None
    assert (change.state, change.error, change.dispatch) == (State.DEAD, error, Unschedule())
    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.CLOSED, outcome=Outcome.NOT_SENT),)


@pytest.mark.parametrize(("state", "epoch"), [(State.SENDING, 1), (State.QUEUED, 1), (State.CLAIMED, 2)])
def test_who_does_not_hold_the_claim_can_neither_give_it_back_nor_bury_it(state: State, epoch: int) -> None:
    message = a_state(state)
    error = ProviderError(code="unreadable", reason="Its stored content cannot be read.")

    assert release(message, epoch=epoch, reason="draining", due_at=NOON) is None
    assert dead_letter(message, epoch=epoch, error=error) is None


# --- receipts -------------------------------------------------------------------------------------------------------

KINDS = st.sampled_from(list(ReceiptKind))
_REPORTS = {
    ReceiptKind.SENT: State.SENT,
    ReceiptKind.DELIVERED: State.DELIVERED,
    ReceiptKind.READ: State.READ,
    ReceiptKind.PLAYED: State.READ,
    ReceiptKind.FAILED: State.FAILED,
    ReceiptKind.PARTICIPANT: State.SENT,
    ReceiptKind.OTHER: State.SUBMITTED,
}
FINAL = [kind for kind, state in _REPORTS.items() if state not in (State.SENT, State.SUBMITTED)]
# Nobody reports on what never left; every other state may be corrected.
REPORTABLE = [state for state in State if state is not State.SCHEDULED]


def standing_after(message: MessageState, change: Change) -> MessageState:
    return replace(message, state=change.state, seq=message.seq + len(change.entries))


@given(
    state=st.sampled_from(REPORTABLE),
    kinds=st.lists(KINDS, min_size=1, max_size=6),
    repeated=st.lists(st.integers(0, 5), max_size=4),
    cuts=st.sets(st.integers(1, 9)),
    random=st.randoms(use_true_random=False),
)
def test_receipts_converge_in_any_order_repetition_and_batching(
    state: State, kinds: list[ReceiptKind], repeated: list[int], cuts: set[int], random: Random
) -> None:
    order = kinds + [kinds[index % len(kinds)] for index in repeated]
    random.shuffle(order)
    message = a_state(state)

    for batch in _batches(order, cuts):
        change = receive(message, [(1, a_receipt(kind)) for kind in batch])
        assert len(change.entries) == len(batch)
        assert RANK.get(change.state, 0) >= RANK.get(message.state, 0)
        message = standing_after(message, change)

    reported = [_REPORTS[kind] for kind in kinds] + ([state] if state in RANK else [])
    assert message.state is max(reported, key=RANK.__getitem__)


def _batches(order: list[ReceiptKind], cuts: set[int]) -> list[list[ReceiptKind]]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(order)), len(order)]
    return [order[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize("state", REPORTABLE)
@pytest.mark.parametrize("kind", FINAL)
def test_a_final_receipt_stops_whatever_was_waiting(state: State, kind: ReceiptKind) -> None:
    assert receive(a_state(state), [(1, a_receipt(kind))]).dispatch == Unschedule()


def test_a_receipt_for_what_was_never_tried_is_noted_and_moves_nothing() -> None:
    change = receive(a_state(State.SCHEDULED), [(None, a_receipt())])

    assert change.state is State.SCHEDULED
    assert change.dispatch is None
    assert change.entries[0].detail["effect"] == "none"


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN, State.UNCONFIRMED])
def test_a_receipt_closes_the_attempt_it_proves(state: State) -> None:
    change = receive(a_state(state), [(1, a_receipt(ReceiptKind.SENT))])

    assert change.attempt == (
        AttemptUpdated(epoch=1, phase=Phase.CLOSED, outcome=Outcome.ACCEPTED, provider_message_id=WAMID),
    )
    assert change.error is None


def test_a_receipt_during_the_send_counts_the_try_that_its_late_answer_will_not_count_again() -> None:
    assert receive(a_state(State.SENDING), [(1, a_receipt())]).attempts == 1
    assert receive(a_state(State.UNKNOWN), [(1, a_receipt())]).attempts == 1


def test_a_receipt_of_an_older_attempt_closes_the_claim_that_was_to_repeat_it() -> None:
    message = a_state(State.CLAIMED, epoch=2, attempt=an_attempt(epoch=2))

    change = receive(message, [(1, a_receipt())])

    assert [(a.epoch, a.outcome) for a in change.attempt if isinstance(a, AttemptUpdated)] == [
        (2, Outcome.NOT_SENT),
        (1, Outcome.ACCEPTED),
    ]


def test_a_failed_receipt_brings_its_reason_and_a_later_delivery_clears_it() -> None:
    reason = ProviderError(code="131049", reason="Not delivered to keep the ecosystem healthy.")
    failed = receive(a_state(State.SUBMITTED), [(1, a_receipt(ReceiptKind.FAILED, error=reason))])
    corrected = receive(a_state(State.FAILED), [(1, a_receipt(ReceiptKind.DELIVERED))])

    assert (failed.state, failed.error) == (State.FAILED, reason)
    assert (corrected.state, corrected.error) == (State.DELIVERED, None)


def test_a_failed_receipt_without_a_reason_still_names_an_error() -> None:
    change = receive(a_state(State.SUBMITTED), [(1, a_receipt(ReceiptKind.FAILED))])

    assert isinstance(change.error, ProviderError)


def test_a_late_failure_does_not_undo_a_delivery_and_is_noted_all_the_same() -> None:
    change = receive(a_state(State.DELIVERED), [(1, a_receipt(ReceiptKind.FAILED))])

    assert change.state is State.DELIVERED
    assert change.error is UNSET
    assert change.entries[0].type == "receipt.failed"
    assert change.entries[0].detail["effect"] == "none"


def test_whatever_a_receipt_tells_is_on_the_timeline() -> None:
    facts = (("pricing_category", "service"), ("further_errors", "470: Too late."))
    receipt = a_receipt(facts=facts, sealed_recipient="c2VhbGVk")

    change = receive(a_state(State.SUBMITTED), [(1, receipt), (1, receipt)])

    told = {"pricing_category": "service", "further_errors": "470: Too late.", "sealed_recipient": "c2VhbGVk"}
    assert [entry.detail for entry in change.entries] == [
        {"attempt": 1, "provider_message_id": WAMID} | told,
        {"attempt": 1, "provider_message_id": WAMID, "effect": "none"} | told,
    ]


@pytest.mark.parametrize("kind", [ReceiptKind.OTHER, ReceiptKind.PLAYED, ReceiptKind.PARTICIPANT])
def test_any_status_proves_that_an_unclear_send_was_accepted(kind: ReceiptKind) -> None:
    change = receive(a_state(State.UNKNOWN), [(1, a_receipt(kind))])

    assert change.state in (State.SUBMITTED, State.SENT, State.READ)
    assert [(a.phase, a.outcome) for a in change.attempt if isinstance(a, AttemptUpdated)] == [
        (Phase.CLOSED, Outcome.ACCEPTED)
    ]


def test_what_one_of_a_group_read_nobody_else_has() -> None:
    assert receive(a_state(State.SUBMITTED), [(1, a_receipt(ReceiptKind.PARTICIPANT))]).state is State.SENT
    assert receive(a_state(State.FAILED), [(1, a_receipt(ReceiptKind.PARTICIPANT))]).state is State.FAILED


def test_receipts_tell_the_providers_time() -> None:
    receipt = a_receipt(occurred_at=NOON - timedelta(hours=2))

    assert receive(a_state(State.SUBMITTED), [(1, receipt)]).entries[0].occurred_at == NOON - timedelta(hours=2)


# --- people and patience --------------------------------------------------------------------------------------------


def test_when_the_echo_does_not_come_a_person_must_decide() -> None:
    change = resolve_unknown(a_state(State.UNKNOWN))

    assert change is not None
    assert (change.state, change.dispatch) == (State.UNCONFIRMED, Unschedule())


@pytest.mark.parametrize("state", [state for state in State if state is not State.UNKNOWN])
def test_news_that_came_first_end_the_wait_without_a_trace(state: State) -> None:
    assert resolve_unknown(a_state(state)) is None


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
def test_what_has_not_been_claimed_can_be_cancelled(state: State) -> None:
    change = cancel(a_state(state), by="key_1")

    assert (change.state, change.dispatch) == (State.CANCELLED, Unschedule())
    assert change.entries[0].detail == {"by": "key_1"}


@pytest.mark.parametrize("state", [state for state in State if state not in (State.SCHEDULED, State.QUEUED)])
def test_what_may_have_left_cannot_be_cancelled(state: State) -> None:
    with pytest.raises(IllegalSignal) as refusal:
        cancel(a_state(state), by="key_1")

    assert refusal.value.code == "state_conflict"


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.UNAVAILABLE, Outcome.THROTTLED, Outcome.NOT_SENT])
def test_a_dead_message_whose_last_try_is_proven_absent_is_sent_again_afresh(outcome: Outcome) -> None:
    attempt = an_attempt(epoch=8, phase=Phase.CLOSED, outcome=outcome)
    message = a_state(State.DEAD, epoch=8, attempts=7, checks=28, claim_failures=2, attempt=attempt)

    change = requeue(message, by="key_1")

    assert change.state is State.QUEUED
    assert (change.attempts, change.checks, change.claim_failures, change.epoch) == (0, 0, 0, 8)
    assert change.dispatch == Schedule(kind=DispatchKind.DELIVER, due_at=NOON)
    assert (change.error, change.possible_duplicate) == (None, False)


def test_an_unconfirmed_message_is_not_sent_again_unless_the_risk_is_accepted() -> None:
    with pytest.raises(DomainError) as refusal:
        requeue(a_state(State.UNCONFIRMED), by="key_1")

    assert refusal.value.code == "duplicate_risk"


def test_with_the_risk_accepted_the_old_attempt_is_presumed_absent_and_the_new_one_is_marked() -> None:
    message = a_state(State.UNCONFIRMED)

    change = requeue(message, by="key_1", possible_duplicate=True)
    again = taken(replace(message, state=State.QUEUED, possible_duplicate=change.possible_duplicate))

    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.CLOSED, outcome=Outcome.PRESUMED_ABSENT),)
    assert change.possible_duplicate
    assert change.entries[0].detail == {"by": "key_1", "possible_duplicate": "true"}
    assert isinstance(again.attempt[-1], AttemptOpened)
    assert again.attempt[-1].possible_duplicate


def test_a_proven_message_is_not_marked_because_the_caller_would_have_taken_the_risk() -> None:
    assert not requeue(a_state(State.DEAD), by="key_1", possible_duplicate=True).possible_duplicate


@pytest.mark.parametrize(
    "state", [state for state in State if state not in (State.UNCONFIRMED, State.DEAD, State.FAILED)]
)
def test_what_is_not_at_a_dead_end_cannot_be_sent_again(state: State) -> None:
    with pytest.raises(IllegalSignal):
        requeue(a_state(state), by="key_1", possible_duplicate=True)


def test_a_requeue_says_who_ordered_it_and_why() -> None:
    change = requeue(a_state(State.DEAD), by="key_1", reason="The outage is over.")

    assert change.entries[0].detail == {"by": "key_1", "possible_duplicate": "false", "reason": "The outage is over."}


def test_a_person_settles_an_unconfirmed_message_as_failed() -> None:
    change = resolve(a_state(State.UNCONFIRMED), by="key_1", reason="The customer says it never came.")

    assert change.state is State.FAILED
    assert change.error == ProviderError(code="resolved_by_operator", reason="The customer says it never came.")
    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.CLOSED, outcome=Outcome.PRESUMED_ABSENT),)
    assert change.dispatch == Unschedule()
    (entry,) = change.entries
    assert (entry.type, entry.state) == ("message.resolved", State.FAILED)
    assert entry.detail == {"by": "key_1", "reason": "The customer says it never came."}


def test_a_late_delivery_corrects_what_a_person_had_settled() -> None:
    settled = resolve(a_state(State.UNCONFIRMED), by="key_1", reason="No news.")
    attempt = an_attempt(phase=Phase.CLOSED, outcome=Outcome.PRESUMED_ABSENT)

    late = receive(a_state(settled.state, attempt=attempt), [(1, a_receipt(ReceiptKind.DELIVERED))])

    assert (late.state, late.error) == (State.DELIVERED, None)


@pytest.mark.parametrize("state", [state for state in State if state is not State.UNCONFIRMED])
def test_only_an_unconfirmed_message_is_settled_by_a_person(state: State) -> None:
    with pytest.raises(IllegalSignal):
        resolve(a_state(state), by="key_1", reason="No news.")


@pytest.mark.parametrize("state", list(State))
def test_settled_is_what_a_customer_may_regard_as_an_end(state: State) -> None:
    assert is_settled(state) == (state in TERMINAL)


@pytest.mark.parametrize(
    ("state", "left", "expires"),
    [
        (State.QUEUED, -1, True),
        (State.SCHEDULED, 0, True),
        (State.QUEUED, 1, False),
        (State.QUEUED, None, False),
        (State.CLAIMED, -1, False),
        (State.SENT, -1, False),
    ],
)
def test_what_waits_past_its_expiry_expires_and_nothing_else(state: State, left: int | None, expires: bool) -> None:
    expires_at = None if left is None else NOON + timedelta(seconds=left)

    change = expire(a_state(state, expires_at=expires_at))

    assert (change is not None and change.state is State.EXPIRED) is expires


@pytest.mark.parametrize(
    ("known", "updates"),
    [
        ({"outcome": Outcome.ACCEPTED, "provider_message_id": WAMID}, []),
        ({"outcome": Outcome.ACCEPTED, "provider_message_id": None}, [WAMID]),
        ({"outcome": None, "provider_message_id": None}, [WAMID]),
    ],
)
def test_a_receipt_teaches_what_is_not_known_of_its_attempt(known: dict[str, Any], updates: list[str]) -> None:
    message = a_state(State.SUBMITTED, attempt=an_attempt(phase=Phase.CLOSED, **known))

    change = receive(message, [(1, a_receipt(ReceiptKind.SENT))])

    assert [it.provider_message_id for it in change.attempt if isinstance(it, AttemptUpdated)] == updates


def test_receipts_of_two_attempts_prove_both_and_overtake_neither() -> None:
    receipts = [(epoch, a_receipt(ReceiptKind.SENT, provider_message_id=f"wamid.{epoch}")) for epoch in (1, 2)]

    change = receive(a_state(State.CLAIMED, epoch=2, attempt=an_attempt(epoch=2)), receipts)

    assert change.attempt == tuple(
        AttemptUpdated(epoch=epoch, phase=Phase.CLOSED, outcome=Outcome.ACCEPTED, provider_message_id=f"wamid.{epoch}")
        for epoch in (1, 2)
    )


def test_a_dead_message_that_was_never_tried_is_sent_again() -> None:
    change = requeue(a_state(State.DEAD, attempt=None, epoch=0), by="key_1")

    assert (change.state, change.attempt, change.possible_duplicate) == (State.QUEUED, (), False)
