"""An accepted message, its priorities and categories, and the rules for when it may be sent."""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from messaging.domain.channels.address import Channel, Recipient
from messaging.domain.channels.table import CHANNELS
from messaging.domain.content.content import Content
from messaging.domain.content.parameters import Pin
from messaging.domain.messages.retry import DURABLE, SIMPLE, RetryPolicy
from messaging.domain.messages.state import State
from messaging.domain.shared.category import Category as Category
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import AccountId, MessageId, SenderId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.unclear import OnUnknown


class Priority(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    DEFAULT = "default"
    LOW = "low"


class Message(Struct, frozen=True, kw_only=True):
    """An accepted message. It is immutable; its progress is kept in `MessageState`."""

    id: MessageId
    tenant_id: TenantId
    mode: Mode
    channel: Channel
    recipient: Recipient
    content: Content
    account_id: AccountId
    sender_id: SenderId
    template_id: TemplateId | None
    category: Category
    priority: Priority
    on_unknown: OnUnknown
    policy: str
    state: State
    reference: str | None
    metadata: dict[str, str]
    send_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    trace_id: str | None = None
    pin: Pin | None = None


MAX_SEND_AHEAD = timedelta(days=90)
MAX_VALIDITY = timedelta(days=30)

# How long an unknown outcome waits for the provider's echo before a person is asked to decide.
ECHO_GRACE: dict[tuple[Channel, Category], timedelta] = {
    (channel, category): rules.echo_grace[category] for channel, rules in CHANNELS.items() for category in Category
}


def default_priority(category: Category) -> Priority:
    match category:
        case Category.AUTHENTICATION:
            return Priority.CRITICAL
        case Category.SERVICE:
            return Priority.HIGH
        case Category.UTILITY:
            return Priority.DEFAULT
        case Category.MARKETING:
            return Priority.LOW


def policy_for(category: Category, priority: Priority) -> RetryPolicy:
    """The retry policy of a message: an urgent one becomes a dead letter early, so that its caller can act; others are
    tried for a week.
    """
    return SIMPLE if category is Category.AUTHENTICATION or priority is Priority.CRITICAL else DURABLE


def timing_violations(*, now: datetime, send_at: datetime | None, expires_at: datetime | None) -> tuple[Violation, ...]:
    """All violations of `send_at` and `expires_at`."""
    found: list[Violation] = []
    if send_at is not None and send_at > now + MAX_SEND_AHEAD:
        found.append(
            Violation(
                pointer="/send_at",
                code="send_at_too_far",
                detail=f"A message can wait at most {MAX_SEND_AHEAD.days} days. Choose an earlier send_at.",
            )
        )
    if expires_at is not None:
        found.extend(_expiry_violations(now, send_at, expires_at))
    return tuple(found)


def _expiry_violations(now: datetime, send_at: datetime | None, expires_at: datetime) -> list[Violation]:
    leaves_at = max(send_at or now, now)
    if expires_at <= now:
        detail = "expires_at is in the past, so the message could never leave. Use a later instant."
        return [Violation(pointer="/expires_at", code="expires_at_past", detail=detail)]
    if expires_at <= leaves_at:
        detail = "expires_at is not after send_at, so the message could never leave. Move one of the two."
        return [Violation(pointer="/expires_at", code="expires_before_send", detail=detail)]
    if expires_at > leaves_at + MAX_VALIDITY:
        detail = (
            f"A message is valid for at most {MAX_VALIDITY.days} days after it may leave. Use an earlier expires_at."
        )
        return [Violation(pointer="/expires_at", code="expires_at_too_far", detail=detail)]
    return []


def expiry_or_default(
    channel: Channel, category: Category, *, leaves_at: datetime, expires_at: datetime | None
) -> datetime | None:
    """The given expiry, else that of the channel's default validity; None for a message that never expires."""
    if expires_at is not None or (validity := CHANNELS[channel].validity.get(category)) is None:
        return expires_at
    return leaves_at + validity
