"""Reports what would happen to a message, and why, without sending it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from messaging.application.messages.accepting.assess import (
    Invalid,
    Routed,
    Submission,
    Unreadable,
    WindowState,
    assess,
    assess_rest,
    closed_window,
    compose,
    contacts_to_look_up,
    recipient_indexes,
    window_state,
)
from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.secrets import KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.channels.table import CHANNELS
from messaging.domain.content.content import TemplateMessage, Text, summary
from messaging.domain.content.segments import Segments
from messaging.domain.messages.message import Message
from messaging.domain.messages.state import public
from messaging.domain.shared.errors import MAX_LISTED, DomainError, Violation
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from messaging.domain.shared.refusals import invalid
from messaging.domain.templates.validation import preview
from messaging.domain.tenants.tenant import Principal


class CheckView(Struct, frozen=True, kw_only=True):
    """`would_send` is false when `errors` is not empty; the other fields are filled as far as they are known."""

    would_send: bool
    errors: tuple[Violation, ...] = ()
    to: str | None = None
    sender: str | None = None
    content: str | None = None
    preview: str | None = None
    category: str | None = None
    priority: str | None = None
    retry_policy: str | None = None
    on_unknown: str | None = None
    window: WindowState | None = None
    first_status: str | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    segments: Annotated[
        Segments | None,
        Meta(description="What an SMS is cut into; null for other channels, and where it says no text."),
    ] = None


class CheckMessage:
    """Runs the same checks as a submission, so that a check never promises what a send refuses."""

    def __init__(
        self, *, snapshots: Snapshots, key_ring: KeyRing, open_uow: OpenUnitOfWork, clock: Clock, new_id: NewId
    ) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._open_uow = open_uow
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, principal: Principal, submission: Submission | Unreadable) -> CheckView:
        """Raises DomainError `validation_failed` for a submission whose shape is wrong."""
        facts = await self._snapshots.tenant(principal.tenant_id)
        if facts is None:
            raise DomainError("unauthorized", "The key's tenant does not exist any more.")
        now = self._clock.now()
        visible = facts.in_mode(principal.mode)
        if isinstance(submission, Unreadable):
            raise invalid(*assess_rest(principal, submission, visible, now=now).violations)
        routed = assess(principal, submission, visible, now=now)
        if isinstance(routed, Invalid):
            return CheckView(would_send=False, errors=routed.violations[:MAX_LISTED])
        cipher = self._key_ring.cipher(principal.tenant_id, facts.data_keys)
        window = await self._window(principal, routed, recipient_indexes(routed, cipher), now)
        return self._view(principal, routed, window, now)

    async def _window(
        self, principal: Principal, routed: Routed, indexes: Sequence[bytes], now: datetime
    ) -> WindowState:
        contacts = contacts_to_look_up([(routed, indexes)])
        if not contacts:
            return window_state(routed, indexes, {}, now=now)
        async with self._open_uow(principal.tenant_id, principal.mode) as uow:
            last_inbound = await uow.conversations.last_inbound(principal.tenant_id, contacts)
        return window_state(routed, indexes, last_inbound, now=now)

    def _view(self, principal: Principal, routed: Routed, window: WindowState, now: datetime) -> CheckView:
        message = compose(principal, routed, id=MessageId(self._new_id()), now=now)
        errors = closed_window(routed).violations if window == "closed" else ()
        content, template = routed.submission.content, routed.template
        text = routed.own.rendered.text() if routed.own and routed.own.rendered else None
        if isinstance(content, TemplateMessage) and template is not None:
            text = preview(template, content.parameters())
        return CheckView(
            would_send=not errors,
            errors=errors,
            to=message.recipient.value,
            sender=typeid(Prefix.SENDER, message.sender_id),
            content=summary(content),
            preview=text,
            category=message.category,
            priority=message.priority,
            retry_policy=message.policy,
            on_unknown=message.on_unknown,
            window=window,
            first_status=public(message.state),
            send_at=message.send_at,
            expires_at=message.expires_at,
            segments=_segments(message, text),
        )


def _segments(message: Message, preview: str | None) -> Segments | None:
    count = CHANNELS[message.channel].segments
    text = message.content.body if isinstance(message.content, Text) else preview
    return None if count is None or text is None else count(text)
