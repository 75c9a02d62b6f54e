"""Values that describe a decided change of one message: the domain builds them, the store writes them."""

from datetime import datetime, timedelta

from msgspec import UNSET, Struct, UnsetType, field

from messaging.domain.messages.message_state import DispatchKind, MessageKey, Outcome, Phase
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.state import State

# Details of a timeline entry besides its type: codes, numbers, reasons; no content and no address.
Detail = dict[str, str | int | None]


class Entry(Struct, frozen=True, kw_only=True):
    """A timeline entry: what happened, the state after it, and why. `detail` holds no content and no address.

    `occurred_at` is the provider's time of a receipt; the store sets the time of writing.
    """

    type: str
    state: State
    detail: Detail = field(default_factory=dict)
    occurred_at: datetime | None = None


class AttemptOpened(Struct, frozen=True, kw_only=True, tag="opened"):
    """A new attempt, whose row is written before every try. `lease` runs from the database's now.

    `forgotten` marks a try that may have been made and is not on record (after a failover): no worker holds it and its
    outcome is unknown.
    """

    epoch: int
    lease_owner: str
    lease: timedelta
    possible_duplicate: bool = False
    forgotten: bool = False


class AttemptUpdated(Struct, frozen=True, kw_only=True, tag="updated"):
    """An update of an attempt; fields left None keep their value. Phase `started` sets the time at which the send
    began.
    """

    epoch: int
    phase: Phase
    outcome: Outcome | None = None
    provider_message_id: str | None = None
    error_code: str | None = None
    error_reason: str | None = None
    http_status: int | None = None
    latency_ms: int | None = None


AttemptChange = AttemptOpened | AttemptUpdated


class Schedule(Struct, frozen=True, kw_only=True, tag="schedule"):
    """The message's one dispatch becomes due at `due_at` for `kind`."""

    kind: DispatchKind
    due_at: datetime


class Unschedule(Struct, frozen=True, tag="unschedule"):
    """The message's dispatch is deleted: nothing is due for it any more."""


class Change(Struct, frozen=True, kw_only=True):
    """What to write, if the message's `seq` is still `expected_seq`. `dispatch=None` leaves the dispatch alone.

    Entering `dead` also writes a dead letter with `error`; leaving it resolves the dead letter.
    """

    key: MessageKey
    expected_seq: int
    previous: State
    state: State
    entries: tuple[Entry, ...]
    epoch: int
    attempts: int
    checks: int
    claim_failures: int
    # UNSET keeps the last error on the message; None clears it.
    error: ProviderError | UnsetType | None = UNSET
    possible_duplicate: bool = False
    attempt: tuple[AttemptChange, ...] = ()
    dispatch: Schedule | Unschedule | None = None
