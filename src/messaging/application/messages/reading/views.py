"""Public views of a message, its timeline and a dead letter: public names, public ids, decrypted content."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from messaging.application.messages.reading import receipt_recipients
from messaging.application.messages.reading.payload import Payload
from messaging.application.ports.dead_letters import DeadLetterRow
from messaging.application.ports.records import EventRow, MessageRow
from messaging.application.ports.secrets import TenantCipher
from messaging.domain.content.content import Content, Document, Image, TemplateMessage, Text
from messaging.domain.content.email import Email
from messaging.domain.messages.state import public
from messaging.domain.shared.ids import MessageId, Prefix, typeid


class MessageError(Struct, frozen=True, kw_only=True):
    """Why a message failed or waits: the provider's code (or ours) and its explanation."""

    code: str
    reason: str


class AttachedFile(Struct, frozen=True, kw_only=True):
    """A file that travels with a mail, without its bytes."""

    filename: str
    content_type: str
    bytes: int


class SentEmail(Struct, frozen=True, kw_only=True, tag="email"):
    """An e-mail as it was given, without the bytes of its files."""

    subject: str
    text: str | None
    html: str | None
    reply_to: str | None
    headers: dict[str, str]
    attachments: tuple[AttachedFile, ...]


ShownContent = Text | TemplateMessage | Image | Document | SentEmail


def shown(content: Content) -> ShownContent:
    """What is told of the content: all of it but the bytes of files, which would make a list as long as a mailbox."""
    if not isinstance(content, Email):
        return content
    files = (
        AttachedFile(filename=file.filename, content_type=file.content_type, bytes=len(file.content))
        for file in content.attachments
    )
    return SentEmail(
        subject=content.subject,
        text=content.text,
        html=content.html,
        reply_to=content.reply_to,
        headers=content.headers,
        attachments=tuple(files),
    )


class MessageView(Struct, frozen=True, kw_only=True):
    """`attempts` counts tries that used up a retry; `checks` counts the slow tries after them or, once accepted, status
    checks.
    """

    id: str
    status: str
    mode: str
    channel: str
    to: str
    sender_id: str
    template_id: str | None
    template_version: Annotated[
        int | None, Meta(description="The version of your own template that it is sent with; null for all others.")
    ]
    template_language: Annotated[
        str | None, Meta(description="The language that was found for the one asked for, of your own template.")
    ]
    content: ShownContent
    summary: str
    category: str
    priority: str
    on_unknown: str
    retry_policy: str
    reference: str | None
    metadata: dict[str, str]
    attempts: int
    checks: int
    error: MessageError | None
    held: str | None
    provider_message_id: str | None
    possible_duplicate: bool
    send_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    trace_id: Annotated[str | None, Meta(description="The trace that all of its way belongs to.")]
    links: dict[str, str]

    @classmethod
    def of(cls, row: MessageRow, payload: Payload, *, held: str | None) -> "MessageView":
        id, pin = typeid(Prefix.MESSAGE, row.id), payload.pin
        error = None
        if row.error_code is not None:
            error = MessageError(code=row.error_code, reason=row.error_reason or "")
        return cls(
            id=id,
            status=public(row.state),
            mode=row.mode,
            channel=row.channel,
            to=payload.to.value,
            sender_id=row.sender_id,
            template_id=row.template_id if pin is None else typeid(Prefix.OWN_TEMPLATE, pin.template_id),
            template_version=None if pin is None else pin.version,
            template_language=None if pin is None else pin.language,
            content=shown(payload.content),
            summary=row.summary,
            category=row.category,
            priority=row.priority,
            on_unknown=row.on_unknown,
            retry_policy=row.policy,
            reference=row.reference,
            metadata=payload.metadata,
            attempts=row.attempts,
            checks=row.checks,
            error=error,
            held=held,
            provider_message_id=row.provider_message_id,
            possible_duplicate=row.possible_duplicate,
            send_at=row.send_at,
            expires_at=row.expires_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
            trace_id=row.trace_id,
            links=links(row.id),
        )


class EventView(Struct, frozen=True, kw_only=True):
    """`recorded_at` is our clock and orders the timeline; `occurred_at` the provider's, where it told one.

    `detail` of a receipt holds whatever the provider told with it: its message id, `code` and `reason` of an error and
    `further_errors`, `pricing_*`, `billable`, `conversation_*`, and `recipient_ids`, its own spellings of the person.
    `receipt.participant` and `receipt.other` name their `status` as the provider does.
    """

    seq: int
    type: str
    status: str
    recorded_at: datetime
    occurred_at: datetime | None
    detail: dict[str, str | int | None]
    trace_id: Annotated[str | None, Meta(description="The trace that all of the message's way belongs to.")]

    @classmethod
    def of(cls, row: EventRow, cipher: TenantCipher, *, trace_id: str | None) -> "EventView":
        return cls(
            seq=row.seq,
            type=row.type,
            status=public(row.state),
            recorded_at=row.recorded_at,
            occurred_at=row.occurred_at,
            detail=receipt_recipients.opened(row.detail, cipher),
            trace_id=trace_id,
        )


class StatusView(Struct, frozen=True, kw_only=True):
    """A message's status after an action upon it."""

    id: str
    status: str
    links: dict[str, str]


class DeadLetterView(Struct, frozen=True, kw_only=True):
    """`resolution` says how it was settled; both it and `resolved_at` are null while it is open."""

    message_id: str
    code: str
    reason: str
    died_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    links: dict[str, str]

    @classmethod
    def of(cls, row: DeadLetterRow) -> "DeadLetterView":
        return cls(
            message_id=typeid(Prefix.MESSAGE, row.message_id),
            code=row.code,
            reason=row.reason,
            died_at=row.died_at,
            resolved_at=row.resolved_at,
            resolution=row.resolution,
            links=links(row.message_id),
        )


def links(id: MessageId) -> dict[str, str]:
    text = typeid(Prefix.MESSAGE, id)
    return {"self": f"/v1/messages/{text}", "events": f"/v1/messages/{text}/events"}
