"""The state of a message: the row that is read under lock and that decisions are made on."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Category, Priority
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, MessageId, SenderId, TenantId
from messaging.domain.shared.unclear import OnUnknown


class MessageKey(NamedTuple):
    """The primary key of everything about a message."""

    tenant_id: TenantId
    message_id: MessageId


class Phase(StrEnum):
    """Phase of an attempt. `claimed`, `started` and `unknown` are open: a message has at most one such attempt."""

    CLAIMED = "claimed"
    STARTED = "started"
    UNKNOWN = "unknown"
    CLOSED = "closed"


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    PRESUMED_ABSENT = "presumed_absent"


# Outcomes that prove the provider does not have the message: only then may it be handed over again.
PROVEN_NOT_ACCEPTED = frozenset({Outcome.REJECTED, Outcome.UNAVAILABLE, Outcome.THROTTLED, Outcome.NOT_SENT})


class DispatchKind(StrEnum):
    """The work that a dispatch is due for. `deliver` also takes over messages whose lease ran out."""

    DELIVER = "deliver"
    RESOLVE_UNKNOWN = "resolve_unknown"
    POLL_STATUS = "poll_status"
    PROCESS_WEBHOOK = "process_webhook"
    REMATCH = "rematch"


class LastAttempt(Struct, frozen=True, kw_only=True):
    """The newest attempt; `lease_live` says whether its lease is still running, by the database's clock."""

    epoch: int
    phase: Phase
    outcome: Outcome | None
    lease_owner: str
    lease_live: bool
    provider_message_id: str | None = None
    # Time at which its request may have begun, by the database's clock; None if no start was recorded.
    started_at: datetime | None = None
    http_status: int | None = None


class MessageState(Struct, frozen=True, kw_only=True):
    """A message's state, read under lock. `seq` numbers its timeline entries; `epoch` numbers its attempts."""

    key: MessageKey
    state: State
    seq: int
    epoch: int
    attempts: int
    checks: int
    claim_failures: int
    channel: Channel
    priority: Priority
    category: Category
    policy: str
    on_unknown: OnUnknown
    account_id: AccountId
    sender_id: SenderId
    expires_at: datetime | None
    attempt: LastAttempt | None
    now: datetime
    # The message was sent again, by a person or by `on_unknown`, although an earlier attempt may have been accepted.
    possible_duplicate: bool = False
    trace_id: str | None = None
