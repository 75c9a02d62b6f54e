"""Checks a submission against the configuration: a message ready to store, or all of its violations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct, field

from messaging.application.contacts.indexes import index_of, indexes_of
from messaging.application.messages.accepting.own_use import OwnUse, use_own
from messaging.application.ports.secrets import TenantCipher
from messaging.application.ports.snapshots import ModeSnapshot
from messaging.domain.channels.address import Channel, Recipient
from messaging.domain.channels.table import CHANNELS, parse_recipient
from messaging.domain.content.content import Content, TemplateMessage
from messaging.domain.content.content_rules import envelope_violations
from messaging.domain.messages.message import (
    Category,
    Message,
    Priority,
    default_priority,
    expiry_or_default,
    policy_for,
    timing_violations,
)
from messaging.domain.messages.state import initial
from messaging.domain.shared.errors import Violation, under
from messaging.domain.shared.ids import MessageId, SenderId
from messaging.domain.shared.unclear import OnUnknown, on_unknown
from messaging.domain.templates.own.definition import RENDERED_HERE, OwnTemplate
from messaging.domain.templates.template import Template, TemplateCategory
from messaging.domain.templates.validation import find_template, send_violations
from messaging.domain.tenants.carrying import channel_not_served
from messaging.domain.tenants.routing import route
from messaging.domain.tenants.tenant import Principal, Sender


class Submission(Struct, frozen=True, kw_only=True):
    """A message as the caller stated it; `assess` fills in what is left out."""

    to: str
    channel: Channel
    content: Content
    sender_id: SenderId | None = None
    category: Category | None = None
    priority: Priority | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    reference: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    on_unknown: OnUnknown | None = None
    trace_id: str | None = None


class Invalid(Struct, frozen=True):
    """A submission that could not be read or broke a rule. `omitted` counts further violations that are not listed."""

    violations: tuple[Violation, ...]
    omitted: int = 0

    def with_at_most(self, most: int) -> "Invalid":
        beyond = len(self.violations) - most
        return self if beyond <= 0 else Invalid(self.violations[:most], self.omitted + beyond)


class Unreadable(Struct, frozen=True, kw_only=True):
    """A submission whose shape is wrong.

    `unread` names the top-level fields that could not be read or are missing. `rest` is the submission with placeholder
    values in their place, so that its other fields can be checked too; None where nothing could be read.
    """

    violations: tuple[Violation, ...]
    unread: frozenset[str] = frozenset()
    rest: Submission | None = None


class Routed(Struct, frozen=True, kw_only=True):
    """A submission that has passed every check except that of its channel's window.

    `template` is one that a provider reviewed, `own` one of the tenant's own.
    """

    submission: Submission
    recipient: Recipient
    sender: Sender
    template: Template | None
    own: OwnUse | None
    category: Category
    priority: Priority
    on_unknown: OnUnknown


_CATEGORY_OF = {category: Category(category.value) for category in TemplateCategory}

WindowState = Literal["open", "closed", "not_needed"]


def assess(principal: Principal, submission: Submission, facts: ModeSnapshot, *, now: datetime) -> Routed | Invalid:
    """Run every check that needs only the configuration; returns all violations at once."""
    found: list[Violation] = []
    rules = CHANNELS[submission.channel]
    recipient = parse_recipient(submission.to, submission.channel)
    if isinstance(recipient, Violation):
        found.append(recipient)
    found += under("/content", rules.content_violations(submission.content))
    found += envelope_violations(submission.reference, submission.metadata)
    found += timing_violations(now=now, send_at=submission.send_at, expires_at=submission.expires_at)
    sender = _sender(principal, submission, recipient, facts)
    if isinstance(sender, Violation):
        found.append(sender)
    template, own = _templates(submission, sender, facts, found)
    category = _category(submission, template if own is None else own.published.template, found)
    if not isinstance(recipient, Violation):
        found += rules.recipient_violations(recipient, category)
        found += () if isinstance(sender, Violation) else rules.reach_violations(sender.address, recipient)
    if found or isinstance(recipient, Violation) or isinstance(sender, Violation):
        return Invalid(tuple(found))
    return Routed(
        submission=submission,
        recipient=recipient,
        sender=sender,
        template=template,
        own=own,
        category=category,
        priority=submission.priority or default_priority(category),
        on_unknown=on_unknown(
            submission.on_unknown,
            template.on_unknown if template else None,
            facts.tenant.on_unknown.of(principal.mode),
            category,
        ),
    )


# Violations of a field are dropped if a field it depends on could not be read.
_DEPENDS_ON: Mapping[str, frozenset[str]] = {
    "channel": frozenset({"from"}),
    "from": frozenset({"channel"}),
    "content": frozenset({"from", "channel"}),
    "category": frozenset({"content", "from", "channel"}),
    "to": frozenset({"category", "content", "channel"}),
    "expires_at": frozenset({"send_at"}),
    "send_at": frozenset({"expires_at"}),
}


def assess_rest(principal: Principal, item: Unreadable, facts: ModeSnapshot, *, now: datetime) -> Invalid:
    """Violations of the submission's shape, and all others of the fields that could be read."""
    if item.rest is None:
        return Invalid(item.violations)
    result = assess(principal, item.rest, facts, now=now)
    found = result.violations if isinstance(result, Invalid) else ()
    return Invalid(item.violations + tuple(violation for violation in found if not _blameless(violation, item.unread)))


def _blameless(violation: Violation, unread: frozenset[str]) -> bool:
    field_name = violation.pointer.split("/", 2)[1] if violation.pointer else ""
    return field_name in unread or not unread.isdisjoint(_DEPENDS_ON.get(field_name, ()))


def _sender(
    principal: Principal, submission: Submission, recipient: Recipient | Violation, facts: ModeSnapshot
) -> Sender | Violation:
    if submission.channel not in facts.channels:
        return channel_not_served(submission.channel, facts.channels)
    return route(
        channel=submission.channel,
        mode=principal.mode,
        recipient=None if isinstance(recipient, Violation) else recipient,
        requested=submission.sender_id,
        senders=facts.routable,
        rules=facts.rules,
    )


def _templates(
    submission: Submission, sender: Sender | Violation, facts: ModeSnapshot, found: list[Violation]
) -> tuple[Template | None, OwnUse | None]:
    """The template that the submission names, reviewed or the tenant's own, as the channel has them."""
    content = submission.content
    if not isinstance(content, TemplateMessage):
        return None, None
    if submission.channel not in RENDERED_HERE:
        return _template(content, sender, facts, found), None
    violations: list[Violation] = []
    own = use_own(content, submission.channel, facts.own, violations)
    found += under("/content", tuple(violations))
    return None, own


def _template(
    content: TemplateMessage, sender: Sender | Violation, facts: ModeSnapshot, found: list[Violation]
) -> Template | None:
    if isinstance(sender, Violation):
        # It is unknown which account's templates apply, so no statement about the template would be reliable.
        return None
    template = find_template(facts.templates_of(sender.account_id), content.name, content.language)
    if isinstance(template, Violation):
        found += under("/content", (template,))
        return None
    found += under("/content", send_violations(template, content.parameters()))
    return template


def _category(submission: Submission, template: Template | OwnTemplate | None, found: list[Violation]) -> Category:
    if template is None:
        return submission.category or Category.SERVICE
    own = _CATEGORY_OF[template.category]
    if submission.category is not None and submission.category is not own:
        detail = f"The template is in category {own}. Leave category out, or set it to {own}."
        found.append(Violation(pointer="/category", code="category_mismatch", detail=detail))
    return own


def needs_window(routed: Routed) -> bool:
    return CHANNELS[routed.submission.channel].needs_window(routed.submission.content)


def window_state(
    routed: Routed,
    indexes: Sequence[bytes],
    last_inbound: Mapping[tuple[SenderId, bytes], datetime],
    *,
    now: datetime,
) -> WindowState:
    """`indexes` are the recipient's blind indexes, one for each spelling."""
    window = CHANNELS[routed.submission.channel].window
    if window is None or not needs_window(routed):
        return "not_needed"
    times = [at for index in indexes if (at := last_inbound.get((routed.sender.id, index))) is not None]
    return "open" if window.is_open(max(times, default=None), now=now) else "closed"


def closed_window(routed: Routed) -> Invalid:
    window = CHANNELS[routed.submission.channel].window
    assert window is not None
    return Invalid((window.closed(),))


def compose(principal: Principal, routed: Routed, *, id: MessageId, now: datetime) -> Message:
    """The message as it will be stored; T1 decides its first state."""
    submission = routed.submission
    send_at = submission.send_at if submission.send_at is not None and submission.send_at > now else None
    return Message(
        id=id,
        tenant_id=principal.tenant_id,
        mode=principal.mode,
        channel=submission.channel,
        recipient=routed.recipient,
        content=submission.content,
        account_id=routed.sender.account_id,
        sender_id=routed.sender.id,
        template_id=routed.template.id if routed.template else None,
        category=routed.category,
        priority=routed.priority,
        on_unknown=routed.on_unknown,
        policy=policy_for(routed.category, routed.priority).name,
        state=initial(scheduled=send_at is not None),
        reference=submission.reference,
        metadata=submission.metadata,
        send_at=send_at,
        expires_at=expiry_or_default(
            submission.channel, routed.category, leaves_at=send_at or now, expires_at=submission.expires_at
        ),
        created_at=now,
        trace_id=submission.trace_id,
        pin=routed.own.pin if routed.own else None,
    )


def recipient_indexes(routed: Routed, cipher: TenantCipher) -> tuple[bytes, ...]:
    """Blind indexes of the recipient: the one to store and, where the window matters, those of all its spellings."""
    address = routed.recipient.value
    return indexes_of(cipher, address) if needs_window(routed) else (index_of(cipher, address),)


def contacts_to_look_up(routed: Sequence[tuple[Routed, Sequence[bytes]]]) -> list[tuple[SenderId, bytes]]:
    """Pairs (sender, blind index) whose windows matter: of every free-form item, for each spelling of its recipient."""
    return [(item.sender.id, index) for item, indexes in routed if needs_window(item) for index in indexes]
