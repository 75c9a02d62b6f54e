"""Message lifecycle: which signal moves a message where, and nothing else.

`TRANSITIONS` is the table T1–T23 as data; `advance` is the only producer of states. The database refuses the same pairs
with a trigger generated from `LEGAL_MOVES`, and a test compares the two readings.
"""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class State(StrEnum):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    # Internal: a worker holds a lease and nothing has left the process. Outside it still reads `queued`.
    CLAIMED = "claimed"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SUBMITTED = "submitted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNCONFIRMED = "unconfirmed"
    DEAD = "dead"


class Signal(StrEnum):
    DUE = "due"
    CLAIM = "claim"
    EXPIRE = "expire"
    CANCEL = "cancel"
    # The attempt is proven not to have reached the provider: the lease ran out unstamped, a drain, no byte written.
    NOT_SENT = "not_sent"
    START = "start"
    ACCEPT = "accept"
    REFUSE_FOR_NOW = "refuse_for_now"
    REFUSE = "refuse"
    LOSE_TRACK = "lose_track"
    RECEIPT_SENT = "receipt_sent"
    RECEIPT_DELIVERED = "receipt_delivered"
    RECEIPT_READ = "receipt_read"
    RECEIPT_FAILED = "receipt_failed"
    RESEND = "resend"
    STOP_WAITING = "stop_waiting"
    OPERATOR_REQUEUE = "operator_requeue"
    OPERATOR_FAIL = "operator_fail"
    GIVE_UP = "give_up"
    CHECK = "check"
    # The database may have forgotten that the message was sent: a backup was restored or a replica promoted.
    QUARANTINE = "quarantine"


class Row(NamedTuple):
    """One line of the table: from any of `sources`, `signal` leads to `target`."""

    name: str
    sources: tuple[State, ...]
    signal: Signal
    target: State


S, G = State, Signal

# How far the provider's word has taken a message. A receipt moves it only upwards, which is why any order, repetition
# or subset of receipts ends in the same state. `failed` sits below `delivered`: providers do report delivery after it.
RANK: dict[State, int] = {S.SUBMITTED: 1, S.SENT: 2, S.FAILED: 3, S.DELIVERED: 4, S.READ: 5}

# The provider has it, and its last word is still to come.
AWAITING_NEWS = frozenset({S.SUBMITTED, S.SENT})

# A receipt proves acceptance, whatever we believed before it: it also stops a retry that was already waiting.
_BEFORE_RECEIPTS = (S.QUEUED, S.CLAIMED, S.SENDING, S.UNKNOWN, S.UNCONFIRMED, S.DEAD, S.EXPIRED, S.CANCELLED)

TRANSITIONS: tuple[Row, ...] = (
    # T1 (∅ → queued | scheduled) is `initial`.
    Row("T2", (S.SCHEDULED,), G.DUE, S.QUEUED),
    Row("T3", (S.QUEUED,), G.CLAIM, S.CLAIMED),
    Row("T4", (S.SCHEDULED, S.QUEUED), G.EXPIRE, S.EXPIRED),
    Row("T5", (S.SCHEDULED, S.QUEUED), G.CANCEL, S.CANCELLED),
    Row("T6", (S.CLAIMED, S.SENDING), G.NOT_SENT, S.QUEUED),
    Row("T7", (S.CLAIMED,), G.START, S.SENDING),
    Row("T8", (S.SENDING,), G.ACCEPT, S.SUBMITTED),
    Row("T9", (S.SENDING,), G.REFUSE_FOR_NOW, S.QUEUED),
    Row("T10", (S.SENDING,), G.REFUSE, S.FAILED),
    Row("T11", (S.SENDING,), G.LOSE_TRACK, S.UNKNOWN),
    # T12: news about an attempt whose fate we did not know, by echo, by lookup, or from the worker itself, late.
    Row(
        "T12",
        (S.QUEUED, S.CLAIMED, S.UNKNOWN, S.UNCONFIRMED, S.DEAD, S.EXPIRED, S.CANCELLED),
        G.ACCEPT,
        S.SUBMITTED,
    ),
    Row("T12", (S.UNKNOWN,), G.NOT_SENT, S.QUEUED),
    Row("T12", (S.UNKNOWN,), G.REFUSE_FOR_NOW, S.QUEUED),
    Row("T12", (S.UNKNOWN, S.UNCONFIRMED), G.REFUSE, S.FAILED),
    Row("T12", _BEFORE_RECEIPTS, G.RECEIPT_SENT, S.SENT),
    Row("T12", _BEFORE_RECEIPTS, G.RECEIPT_DELIVERED, S.DELIVERED),
    Row("T12", _BEFORE_RECEIPTS, G.RECEIPT_READ, S.READ),
    Row("T12", _BEFORE_RECEIPTS, G.RECEIPT_FAILED, S.FAILED),
    Row("T13", (S.UNKNOWN,), G.RESEND, S.QUEUED),
    Row("T14", (S.UNKNOWN,), G.STOP_WAITING, S.UNCONFIRMED),
    Row("T15", (S.UNCONFIRMED,), G.OPERATOR_REQUEUE, S.QUEUED),
    Row("T15", (S.UNCONFIRMED,), G.OPERATOR_FAIL, S.FAILED),
    Row("T16", (S.SUBMITTED,), G.RECEIPT_SENT, S.SENT),
    Row("T16", (S.SUBMITTED, S.SENT), G.RECEIPT_DELIVERED, S.DELIVERED),
    Row("T16", (S.SUBMITTED, S.SENT, S.DELIVERED), G.RECEIPT_READ, S.READ),
    Row("T17", (S.SUBMITTED, S.SENT), G.RECEIPT_FAILED, S.FAILED),
    Row("T18", (S.FAILED,), G.RECEIPT_DELIVERED, S.DELIVERED),
    Row("T18", (S.FAILED,), G.RECEIPT_READ, S.READ),
    Row("T19", (S.QUEUED, S.CLAIMED), G.GIVE_UP, S.DEAD),
    Row("T20", (S.DEAD,), G.OPERATOR_REQUEUE, S.QUEUED),
    # T21 (`check`) leaves the state where it is: see `_NO_NEWS`.
    Row("T22", (S.QUEUED, S.CLAIMED, S.SENDING), G.QUARANTINE, S.UNKNOWN),
    # T23: a person sends a failed message again. What failed after acceptance may still turn out delivered (T18).
    Row("T23", (S.FAILED,), G.OPERATOR_REQUEUE, S.QUEUED),
)

MOVES: dict[tuple[State, Signal], State] = {
    (source, row.signal): row.target for row in TRANSITIONS for source in row.sources
}
LEGAL_MOVES: frozenset[tuple[State, State]] = frozenset((source, target) for (source, _), target in MOVES.items())

# Signals that come from outside or from another worker, late or twice: where they do not move a message they mean
# nothing. Every other signal is our own decision, so meeting it in the wrong state is refused.
_NO_NEWS = frozenset(
    {
        G.DUE,
        G.ACCEPT,
        G.NOT_SENT,
        G.REFUSE,
        G.REFUSE_FOR_NOW,
        G.LOSE_TRACK,
        G.RECEIPT_SENT,
        G.RECEIPT_DELIVERED,
        G.RECEIPT_READ,
        G.RECEIPT_FAILED,
        G.STOP_WAITING,
        G.CHECK,
    }
)

TERMINAL = frozenset({S.DELIVERED, S.READ, S.FAILED, S.EXPIRED, S.CANCELLED, S.UNCONFIRMED, S.DEAD})


class Move(Struct, frozen=True):
    """The signal moves the message to `state`."""

    state: State


class Stay(Struct, frozen=True):
    """The signal is late, repeated or without news: nothing changes, and that is fine."""


class Refusal(Struct, frozen=True):
    """The signal is a decision that makes no sense here; the caller reports it (409), nothing changes."""


Step = Move | Stay | Refusal


def initial(*, scheduled: bool) -> State:
    """T1: where an accepted message starts."""
    return State.SCHEDULED if scheduled else State.QUEUED


def advance(state: State, signal: Signal) -> Step:
    """Decide every (state, signal) pair."""
    if (target := MOVES.get((state, signal))) is not None:
        return Move(target)
    return Stay() if signal in _NO_NEWS else Refusal()


def public(state: State) -> str:
    """One of the thirteen public names; a claim without a byte sent is still `queued` to the world."""
    return State.QUEUED.value if state is State.CLAIMED else state.value
