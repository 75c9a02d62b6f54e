"""A change in the making: signals through the table, one timeline entry each, and the endings several steps share."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType

from messaging.domain.messages.change import (
    Arrange,
    AttemptChange,
    AttemptUpdated,
    Change,
    Detail,
    Entry,
    Withdraw,
)
from messaging.domain.messages.message import ECHO_GRACE, Category
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import POLICIES
from messaging.domain.messages.standing import DispatchKind, Outcome, Phase, Standing
from messaging.domain.messages.state import AWAITING_NEWS, RANK, Move, Refusal, Signal, State, Stay, advance
from messaging.domain.shared.errors import DomainError

# How long an unclear outcome may wait for the provider's echo, by category.
EchoGrace = Mapping[Category, timedelta]


class Draft:
    """Applies signals through `advance`; what it brings together `change` hands to the store."""

    def __init__(self, standing: Standing, grace: EchoGrace = ECHO_GRACE, check_every: timedelta | None = None) -> None:
        self.standing = standing
        self.grace = grace
        self.check_every = check_every
        self.state = standing.state
        self.entries: list[Entry] = []

    def signal(self, signal: Signal, type_: str, detail: Detail | None = None, at: datetime | None = None) -> bool:
        """Move and note it. Returns False when the signal brings no news; then nothing is noted."""
        match advance(self.state, signal):
            case Move(state=state):
                self.state = state
                self.note(type_, detail, at)
                return True
            case Stay():
                return False
            case Refusal():
                raise IllegalSignal(self.state, signal)

    def counted(self) -> int:
        """Tries so far: one counts when the message leaves `sending`, however that comes about."""
        left = self.standing.state is State.SENDING and self.state is not State.SENDING
        return self.standing.attempts + left

    def note(self, type_: str, detail: Detail | None = None, at: datetime | None = None) -> None:
        self.entries.append(Entry(type=type_, state=self.state, detail=detail or {}, occurred_at=at))

    def change(
        self,
        *,
        dispatch: Arrange | Withdraw | None,
        attempt: tuple[AttemptChange, ...] = (),
        epoch: int | None = None,
        attempts: int | None = None,
        checks: int | None = None,
        claim_failures: int | None = None,
        error: ProviderError | UnsetType | None = UNSET,
        possible_duplicate: bool | None = None,
    ) -> Change:
        standing = self.standing
        return Change(
            key=standing.key,
            expected_seq=standing.seq,
            previous=standing.state,
            state=self.state,
            entries=tuple(self.entries),
            epoch=standing.epoch if epoch is None else epoch,
            attempts=standing.attempts if attempts is None else attempts,
            checks=standing.checks if checks is None else checks,
            claim_failures=standing.claim_failures if claim_failures is None else claim_failures,
            error=error,
            possible_duplicate=standing.possible_duplicate if possible_duplicate is None else possible_duplicate,
            attempt=attempt,
            dispatch=dispatch,
        )


class IllegalSignal(DomainError):
    """The action makes no sense in the message's present state; it answers 409."""

    def __init__(self, state: State, signal: Signal) -> None:
        super().__init__("state_conflict", f"The message is {state}; {signal} is not possible from there.")
        self.state = state
        self.signal = signal


def end_expired(draft: Draft) -> Change:
    draft.signal(Signal.EXPIRE, "message.expired")
    error = ProviderError(code="expired", reason="It could not be sent before expires_at.")
    return draft.change(dispatch=Withdraw(), error=error)


def lose_track(draft: Draft, attempt: tuple[AttemptChange, ...], error: ProviderError, detail: Detail) -> Change:
    standing = draft.standing
    if not draft.signal(Signal.LOSE_TRACK, "message.unknown", detail):
        # Its lease had ended before: the wait for the echo is under way and is not begun anew.
        draft.note("attempt.late_result", detail)
        return draft.change(attempt=attempt, error=error, dispatch=None)
    return draft.change(
        attempt=attempt,
        attempts=draft.counted(),
        error=error,
        dispatch=Arrange(kind=DispatchKind.STOP_WAITING, due_at=standing.now + draft.grace[standing.category]),
    )


def end_dead(
    draft: Draft,
    error: ProviderError,
    attempt: tuple[AttemptChange, ...] = (),
    *,
    attempts: int | None = None,
    claim_failures: int | None = None,
) -> Change:
    draft.signal(Signal.GIVE_UP, "message.dead", {"code": error.code, "reason": error.reason})
    return draft.change(
        attempt=attempt, attempts=attempts, claim_failures=claim_failures, error=error, dispatch=Withdraw()
    )


def await_news(draft: Draft) -> tuple[Arrange | Withdraw | None, int]:
    """What waits once the provider has the message, and the count of checks to write.

    While it says nothing final, its silence is checked as long as the policy checks at all; what had been counted
    before were tries, so the count starts afresh. A check that is arranged already stays where it is.
    """
    standing = draft.standing
    if draft.state not in AWAITING_NEWS:
        return (Withdraw() if draft.state in RANK else None), standing.checks
    if standing.state in AWAITING_NEWS:
        return None, standing.checks
    policy = POLICIES[standing.policy]
    if policy.checks == 0:
        return Withdraw(), standing.checks
    due_at = standing.now + (draft.check_every or policy.check_every)
    return Arrange(kind=DispatchKind.CHECK_SILENT, due_at=due_at), 0


def closing(standing: Standing, phase: Phase, outcome: Outcome) -> tuple[AttemptChange, ...]:
    return (AttemptUpdated(epoch=standing.epoch, phase=phase, outcome=outcome),)


def close_overtaken(standing: Standing, epoch: int) -> tuple[AttemptChange, ...]:
    """Close a newer, unsent attempt when an older one turns out to have been accepted."""
    attempt = standing.attempt
    if attempt is None or attempt.epoch == epoch or attempt.phase is not Phase.CLAIMED:
        return ()
    return (AttemptUpdated(epoch=attempt.epoch, phase=Phase.CLOSED, outcome=Outcome.NOT_SENT),)
