"""Builds a message's change: applies signals, notes a timeline entry for each, and holds steps that decisions share."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import UNSET, UnsetType

from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.change import (
    AttemptChange,
    AttemptUpdated,
    Change,
    Detail,
    Entry,
    Schedule,
    Unschedule,
)
from messaging.domain.messages.message import ECHO_GRACE, Category
from messaging.domain.messages.message_state import DispatchKind, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import POLICIES
from messaging.domain.messages.state import AWAITING_NEWS, RANK, Move, Refusal, Signal, State, Stay, advance
from messaging.domain.messages.unclear_sends import NOT_KNOWN, first_look
from messaging.domain.shared.errors import DomainError

# How long an unknown outcome may wait for the provider's echo, by channel and category.
EchoGrace = Mapping[tuple[Channel, Category], timedelta]


class ChangeBuilder:
    """Applies signals through `advance` and collects timeline entries; `change` returns the result for the store.

    `can` is what the message's provider can prove.
    """

    def __init__(
        self,
        message: MessageState,
        grace: EchoGrace = ECHO_GRACE,
        check_every: timedelta | None = None,
        can: Capabilities = NOT_KNOWN,
    ) -> None:
        self.message = message
        self.grace = grace
        self.check_every = check_every
        self.can = can
        self.state = message.state
        self.entries: list[Entry] = []

    def signal(self, signal: Signal, type_: str, detail: Detail | None = None, at: datetime | None = None) -> bool:
        """Apply a signal and note a timeline entry. Returns False and notes nothing when the signal changes nothing."""
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
        """Number of tries so far: a try counts when the message leaves `sending`, for whatever reason."""
        left = self.message.state is State.SENDING and self.state is not State.SENDING
        return self.message.attempts + left

    def note(self, type_: str, detail: Detail | None = None, at: datetime | None = None) -> None:
        self.entries.append(Entry(type=type_, state=self.state, detail=detail or {}, occurred_at=at))

    def change(
        self,
        *,
        dispatch: Schedule | Unschedule | None,
        attempt: tuple[AttemptChange, ...] = (),
        epoch: int | None = None,
        attempts: int | None = None,
        checks: int | None = None,
        claim_failures: int | None = None,
        error: ProviderError | UnsetType | None = UNSET,
        possible_duplicate: bool | None = None,
    ) -> Change:
        message = self.message
        return Change(
            key=message.key,
            expected_seq=message.seq,
            previous=message.state,
            state=self.state,
            entries=tuple(self.entries),
            epoch=message.epoch if epoch is None else epoch,
            attempts=message.attempts if attempts is None else attempts,
            checks=message.checks if checks is None else checks,
            claim_failures=message.claim_failures if claim_failures is None else claim_failures,
            error=error,
            possible_duplicate=message.possible_duplicate if possible_duplicate is None else possible_duplicate,
            attempt=attempt,
            dispatch=dispatch,
        )


class IllegalSignal(DomainError):
    """The action is not possible in the message's present state; the API answers 409."""

    def __init__(self, state: State, signal: Signal) -> None:
        super().__init__("state_conflict", f"The message is {state}; {signal} is not possible from there.")
        self.state = state
        self.signal = signal


def end_expired(builder: ChangeBuilder) -> Change:
    builder.signal(Signal.EXPIRE, "message.expired")
    error = ProviderError(code="expired", reason="The message could not be sent before expires_at.")
    return builder.change(dispatch=Unschedule(), error=error)


def lose_track(
    builder: ChangeBuilder, attempt: tuple[AttemptChange, ...], error: ProviderError, detail: Detail
) -> Change:
    message = builder.message
    if not builder.signal(Signal.LOSE_TRACK, "message.unknown", detail):
        # Its lease had ended before: the message is looked after already, and that is not begun again.
        builder.note("attempt.late_result", detail)
        return builder.change(attempt=attempt, error=error, dispatch=None)
    look = first_look(message, builder.can, grace=builder.grace[message.channel, message.category])
    return builder.change(
        attempt=attempt,
        attempts=builder.counted(),
        checks=look.done,
        error=error,
        dispatch=Schedule(kind=DispatchKind.RESOLVE_UNKNOWN, due_at=look.at),
    )


def end_dead(
    builder: ChangeBuilder,
    error: ProviderError,
    attempt: tuple[AttemptChange, ...] = (),
    *,
    attempts: int | None = None,
    claim_failures: int | None = None,
) -> Change:
    builder.signal(Signal.GIVE_UP, "message.dead", {"code": error.code, "reason": error.reason})
    return builder.change(
        attempt=attempt, attempts=attempts, claim_failures=claim_failures, error=error, dispatch=Unschedule()
    )


def end_with_sent(builder: ChangeBuilder) -> None:
    """Report an accepted message as sent where no later news can come: then `sent` is the last word."""
    if builder.state is State.SUBMITTED and not builder.can.confirms_delivery:
        builder.signal(Signal.RECEIPT_SENT, "message.sent", {"final": "yes"})


def await_news(builder: ChangeBuilder) -> tuple[Schedule | Unschedule | None, int]:
    """The dispatch for a message that the provider has accepted, and the count of status checks to write.

    Until a final receipt comes, the status is checked as often as the policy says; the count starts at zero because
    earlier counts were tries. A check that is already scheduled stays as it is. Nothing is awaited from a provider that
    does not confirm delivery.
    """
    message = builder.message
    if builder.state not in AWAITING_NEWS or not builder.can.confirms_delivery:
        return (Unschedule() if builder.state in RANK else None), message.checks
    if message.state in AWAITING_NEWS:
        return None, message.checks
    policy = POLICIES[message.policy]
    if policy.checks == 0:
        return Unschedule(), message.checks
    due_at = message.now + (builder.check_every or policy.check_every)
    return Schedule(kind=DispatchKind.POLL_STATUS, due_at=due_at), 0


def closing(message: MessageState, phase: Phase, outcome: Outcome) -> tuple[AttemptChange, ...]:
    return (AttemptUpdated(epoch=message.epoch, phase=phase, outcome=outcome),)


def close_overtaken(message: MessageState, epoch: int) -> tuple[AttemptChange, ...]:
    """Close a newer, unsent attempt when an older one turns out to have been accepted."""
    attempt = message.attempt
    if attempt is None or attempt.epoch == epoch or attempt.phase is not Phase.CLAIMED:
        return ()
    return (AttemptUpdated(epoch=attempt.epoch, phase=Phase.CLOSED, outcome=Outcome.NOT_SENT),)
