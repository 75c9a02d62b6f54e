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
    # The attempt is proven not to have reached the provider: the lease ran out before a start was recorded, the worker
    # drained, or no byte was written.
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
    LEAVE_UNCONFIRMED = "leave_unconfirmed"
    OPERATOR_REQUEUE = "operator_requeue"
    OPERATOR_FAIL = "operator_fail"
    GIVE_UP = "give_up"
    CHECK = "check"
    # The database may have forgotten that the message was sent: a backup was restored or a replica promoted.
    RECOVER_FAILOVER = "recover_failover"


class Row(NamedTuple):
    """One line of the transition table: from any of `sources`, `signal` leads to `target`."""

    name: str
    sources: tuple[State, ...]
    signal: Signal
    target: State


S, G = State, Signal

# How far receipts have taken a message. A receipt only raises the rank, so that any order, repetition or subset of
# receipts ends in the same state. `failed` ranks below `delivered`: providers do report delivery after it.
RANK: dict[State, int] = {S.SUBMITTED: 1, S.SENT: 2, S.FAILED: 3, S.DELIVERED: 4, S.READ: 5}

# The provider has accepted the message, and its final receipt has not come yet.
AWAITING_NEWS = frozenset({S.SUBMITTED, S.SENT})

# A receipt proves acceptance whatever the state was before; it also cancels a retry that was already scheduled.
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
    # T12: the fate of an attempt whose outcome was unknown is found out, by echo, by lookup, or from a late result of
    # its worker.
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
    Row("T14", (S.UNKNOWN,), G.LEAVE_UNCONFIRMED, S.UNCONFIRMED),
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
    Row("T22", (S.QUEUED, S.CLAIMED, S.SENDING), G.RECOVER_FAILOVER, S.UNKNOWN),
    # T23: a person sends a failed message again. What failed after acceptance may still turn out delivered (T18).
    Row("T23", (S.FAILED,), G.OPERATOR_REQUEUE, S.QUEUED),
)

MOVES: dict[tuple[State, Signal], State] = {
    (source, row.signal): row.target for row in TRANSITIONS for source in row.sources
}
LEGAL_MOVES: frozenset[tuple[State, State]] = frozenset((source, target) for (source, _), target in MOVES.items())

# Signals from providers or other workers may come late or twice: where they do not move a message they are ignored. All
# other signals are the platform's own decisions and are refused in a wrong state.
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
        G.LEAVE_UNCONFIRMED,
        G.CHECK,
    }
)

TERMINAL = frozenset({S.DELIVERED, S.READ, S.FAILED, S.EXPIRED, S.CANCELLED, S.UNCONFIRMED, S.DEAD})


class Move(Struct, frozen=True):
    """The signal moves the message to `state`."""

    state: State


class Stay(Struct, frozen=True):
    """The signal is late, repeated or brings nothing new: the state stays, and that is no error."""


class Refusal(Struct, frozen=True):
    """The signal is a decision that is not possible in this state: the caller answers 409, and nothing changes."""


Step = Move | Stay | Refusal


def initial(*, scheduled: bool) -> State:
    """T1: the first state of an accepted message."""
    return State.SCHEDULED if scheduled else State.QUEUED


def advance(state: State, signal: Signal) -> Step:
    """The step that `signal` leads to from `state`; defined for every pair."""
    if (target := MOVES.get((state, signal))) is not None:
        return Move(target)
    return Stay() if signal in _NO_NEWS else Refusal()


def public(state: State) -> str:
    """The public name of a state, one of thirteen; a claimed message of which no byte was sent reads as `queued`."""
    return State.QUEUED.value if state is State.CLAIMED else state.value
