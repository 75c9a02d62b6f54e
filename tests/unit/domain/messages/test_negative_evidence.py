"""When may an unclear send be repeated without a person, and when never?"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import AttemptUpdated, Change, Schedule, Unschedule
from messaging.domain.messages.message import ECHO_GRACE, Category, expiry_or_default
from messaging.domain.messages.message_state import DispatchKind, MessageState, Outcome, Phase
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions.lifecycle import resolve_unknown
from messaging.domain.messages.transitions.negative_evidence import (
    NEGATIVE_EVIDENCE_RULE,
    Evidence,
    NegativeEvidenceRule,
    lacking,
    may_resend,
    next_look,
)
from messaging.domain.shared.unclear import OnUnknown
from tests.builders import NOON, a_state, an_attempt

GRACE = ECHO_GRACE[Channel.WHATSAPP, Category.UTILITY]
STARTED = NOON - GRACE


def unclear(*, started_at: Any = STARTED, http_status: int | None = None, **changes: Any) -> MessageState:
    """An unclear send whose grace ends at noon, by a customer who wants it repeated."""
    attempt = an_attempt(phase=Phase.UNKNOWN, outcome=Outcome.UNKNOWN, started_at=started_at, http_status=http_status)
    return a_state(State.UNKNOWN, **({"attempt": attempt, "on_unknown": OnUnknown.RESEND} | changes))


def proof(**changes: Any) -> Evidence:
    """Just enough of everything."""
    fields: dict[str, Any] = {"later_receipts": 20, "heard_until": STARTED + timedelta(minutes=5, seconds=1)}
    return Evidence(**(fields | changes))


def decided(message: MessageState, evidence: Evidence | None) -> Change:
    change = resolve_unknown(message, evidence)
    assert change is not None
    return change


def test_on_proof_it_is_sent_again_at_once_and_both_attempts_say_why() -> None:
    change = decided(unclear(), proof())

    assert (change.state, change.possible_duplicate) == (State.QUEUED, True)
    assert change.dispatch == Schedule(kind=DispatchKind.DELIVER, due_at=NOON)
    assert change.attempt == (AttemptUpdated(epoch=1, phase=Phase.CLOSED, outcome=Outcome.PRESUMED_ABSENT),)
    [entry] = change.entries
    assert entry.type == "message.requeued"
    assert entry.detail == {"by": "on_unknown", "possible_duplicate": "true", "later_receipts": 20}


@pytest.mark.parametrize(
    ("evidence", "missing"),
    [
        (proof(later_receipts=19), "too_few_later_receipts"),
        (proof(heard_until=STARTED + timedelta(minutes=5)), "nothing_heard_lately"),
        (proof(heard_until=None), "nothing_heard_lately"),
        (proof(unread=True), "webhooks_unread"),
        (proof(unmatched=True), "receipts_unmatched"),
        (proof(paused=True), "sender_paused"),
    ],
)
def test_while_anything_is_missing_it_waits_another_grace_and_says_what(evidence: Evidence, missing: str) -> None:
    change = decided(unclear(), evidence)

    assert (change.state, change.attempt, change.possible_duplicate) == (State.UNKNOWN, (), False)
    assert change.dispatch == Schedule(kind=DispatchKind.RESOLVE_UNKNOWN, due_at=NOON + GRACE)
    assert [(entry.type, entry.detail["no_resend"]) for entry in change.entries] == [("message.waiting", missing)]


def test_nothing_is_proven_before_the_grace_is_over() -> None:
    change = decided(unclear(started_at=STARTED + timedelta(seconds=1)), proof(heard_until=NOON + timedelta(days=1)))

    assert (change.state, change.entries[0].detail["no_resend"]) == (State.UNKNOWN, "too_early")


def test_after_three_more_graces_a_person_is_asked() -> None:
    waits, message = 0, unclear()
    while (change := decided(message, proof(later_receipts=0))).state is State.UNKNOWN:
        assert isinstance(change.dispatch, Schedule)
        waits += 1
        message = unclear(now=change.dispatch.due_at)

    assert waits == 3
    assert (change.state, change.dispatch) == (State.UNCONFIRMED, Unschedule())
    assert change.entries[0].detail["no_resend"] == "too_few_later_receipts"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(unclear(on_unknown=OnUnknown.HOLD), id="the customer wants it held"),
        pytest.param(unclear(possible_duplicate=True), id="it was sent again before"),
        pytest.param(unclear(expires_at=NOON), id="it would come too late"),
        pytest.param(unclear(http_status=200), id="the provider most likely has it"),
        pytest.param(unclear(started_at=None), id="nobody knows when it left"),
        pytest.param(unclear(attempt=None), id="its attempt was lost with a backup"),
    ],
)
def test_otherwise_not_even_proof_has_it_sent_again(message: MessageState) -> None:
    change = decided(message, proof())

    assert not may_resend(message)
    assert (change.state, change.dispatch) == (State.UNCONFIRMED, Unschedule())


def test_without_evidence_a_person_is_asked() -> None:
    assert decided(unclear(), None).state is State.UNCONFIRMED


def test_the_rule_can_be_another() -> None:
    rule = NegativeEvidenceRule(later_receipts=1, margin=timedelta(0), waits=0)
    heard = proof(later_receipts=1, heard_until=STARTED + timedelta(seconds=1))

    again = resolve_unknown(unclear(), heard, rule=rule)
    given_up = resolve_unknown(unclear(), proof(later_receipts=0), rule=rule)

    assert again is not None
    assert again.state is State.QUEUED
    assert given_up is not None
    assert given_up.state is State.UNCONFIRMED


def looks(message: MessageState, evidence: Callable[[datetime], Evidence]) -> list[Change]:
    """Every decision about an unclear send of a busy sender, each taken when the one before asked for it."""
    grace = ECHO_GRACE[Channel.WHATSAPP, message.category]
    assert message.attempt is not None
    assert message.attempt.started_at is not None
    now, taken = message.attempt.started_at + grace, []
    while True:
        taken.append(decided(replace(message, now=now), evidence(now)))
        if taken[-1].state is not State.UNKNOWN:
            return taken
        assert isinstance(taken[-1].dispatch, Schedule)
        assert taken[-1].dispatch.due_at > now
        now = taken[-1].dispatch.due_at


@pytest.mark.parametrize("category", list(Category))
def test_at_the_default_settings_a_busy_sender_proves_it_in_every_category(category: Category) -> None:
    expires_at = expiry_or_default(
        Channel.WHATSAPP, category, leaves_at=STARTED - timedelta(seconds=2), expires_at=None
    )

    taken = looks(
        unclear(category=category, expires_at=expires_at),
        # Receipts reach us a few seconds after the provider's time in them.
        lambda now: proof(heard_until=now - timedelta(seconds=5)),
    )

    assert taken[-1].state is State.QUEUED
    assert len(taken) <= 2


@pytest.mark.parametrize("category", list(Category))
def test_a_quiet_sender_is_looked_at_four_times_once_there_can_be_evidence(category: Category) -> None:
    expires_at = expiry_or_default(Channel.WHATSAPP, category, leaves_at=STARTED, expires_at=None)
    margin_over = STARTED + NEGATIVE_EVIDENCE_RULE.margin
    asked: list[datetime] = []

    def nothing_heard(now: datetime) -> Evidence:
        asked.append(now)
        return proof(later_receipts=0)

    taken = looks(unclear(category=category, expires_at=expires_at), nothing_heard)

    assert taken[-1].state is State.UNCONFIRMED
    assert len([now for now in asked if now > margin_over]) == 4
    assert expires_at is None or asked[-1] < expires_at


def test_what_expires_before_there_can_be_evidence_is_put_before_a_person_after_the_grace() -> None:
    message = unclear(category=Category.SERVICE, expires_at=STARTED + timedelta(minutes=2))

    [only] = looks(message, lambda _: proof(later_receipts=0))

    assert only.state is State.UNCONFIRMED


@pytest.mark.parametrize(
    ("status", "possible"), [(None, True), (199, True), (200, False), (299, False), (300, True), (503, True)]
)
def test_an_answer_that_says_all_is_well_is_never_taken_for_a_refusal(status: int | None, possible: bool) -> None:
    assert may_resend(unclear(http_status=status)) is possible


def test_a_send_that_never_began_is_not_looked_after() -> None:
    for attempt in (None, an_attempt(phase=Phase.UNKNOWN, outcome=Outcome.UNKNOWN)):
        message = unclear(attempt=attempt)

        assert next_look(message, grace=GRACE, rule=NEGATIVE_EVIDENCE_RULE) is None
        assert lacking(message, proof(), grace=GRACE, rule=NEGATIVE_EVIDENCE_RULE) == "too_early"


@pytest.mark.parametrize(("seconds", "looks_again"), [(-1, False), (0, False), (1, True)])
def test_a_message_that_expires_before_a_proof_is_possible_is_not_looked_after(seconds: int, looks_again: bool) -> None:
    first = STARTED + NEGATIVE_EVIDENCE_RULE.earliest(GRACE)
    message = unclear(now=STARTED, expires_at=first + timedelta(seconds=seconds))

    found = next_look(message, grace=GRACE, rule=NEGATIVE_EVIDENCE_RULE)

    assert found == (first if looks_again else None)


def test_the_looks_are_spread_over_the_time_that_a_message_has_left() -> None:
    first = STARTED + NEGATIVE_EVIDENCE_RULE.earliest(GRACE)
    message = unclear(now=first, expires_at=first + timedelta(seconds=40))

    # Three more looks, and the expiry after them.
    found = next_look(message, grace=GRACE, rule=NEGATIVE_EVIDENCE_RULE)
    assert found == first + timedelta(seconds=10)
