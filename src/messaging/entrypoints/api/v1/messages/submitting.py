"""Turns the body of a request into submissions: POST /v1/messages, /v1/messages/batch and /v1/messages/check."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, field

from messaging.application.messages.accepting.assess import Submission, Unreadable
from messaging.application.messages.accepting.submit import MAX_BATCH
from messaging.domain.channels.address import Channel
from messaging.domain.content.content import Content
from messaging.domain.messages.message import Category, Priority
from messaging.domain.shared.errors import DomainError, Violation
from messaging.domain.shared.ids import Prefix, SenderId, parse_typeid
from messaging.domain.shared.unclear import OnUnknown
from messaging.entrypoints.api.decoding.bodies import Body, read_bytes, require_json
from messaging.entrypoints.api.decoding.calls import Call
from messaging.entrypoints.api.decoding.ids import NOBODY
from messaging.entrypoints.api.edge.edge import trace_id_of

Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]


class SubmitBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """One message to one recipient."""

    to: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=320,
            description="A phone number in E.164 form, a business-scoped user id, or an e-mail address.",
            examples=["+14155550100"],
        ),
    ]
    channel: Channel
    content: Content
    sender: Annotated[str, Meta(max_length=100, description="A sender's id; left out, routing decides.")] | None = None
    category: Category | None = None
    priority: Priority | None = None
    send_at: Instant | None = None
    expires_at: Instant | None = None
    reference: Annotated[str, Meta(max_length=128, description="Your own id for it, echoed everywhere.")] | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=20)] = field(default_factory=dict)
    on_unknown: OnUnknown | None = None

    def to_submission(self, trace_id: str) -> Submission:
        return Submission(
            to=self.to,
            channel=self.channel,
            content=self.content,
            sender_id=None if self.sender is None else SenderId(parse_typeid(Prefix.SENDER, self.sender) or NOBODY),
            category=self.category,
            priority=self.priority,
            send_at=self.send_at,
            expires_at=self.expires_at,
            reference=self.reference,
            metadata=self.metadata,
            on_unknown=self.on_unknown,
            trace_id=trace_id,
        )


class BatchBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each item is judged by itself; one that is refused, even for its shape, holds nobody up."""

    messages: Annotated[
        list[Any],
        Meta(
            min_length=1,
            max_length=MAX_BATCH,
            description="Messages. An item that is none is refused by itself; the request is accepted all the same.",
            extra_json_schema={"items": {"anyOf": [{"$ref": "#/components/schemas/SubmitBody"}, {}]}},
        ),
    ]


class _BatchEnvelope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The batch with its items undecoded, so that a malformed item does not refuse its neighbours."""

    messages: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_BATCH)]


SUBMIT = Body(SubmitBody)
ENVELOPE = Body(_BatchEnvelope, judged_as=BatchBody)


_STAND_INS: Final[Mapping[str, Any]] = {
    "to": "+14155550100",
    "channel": "whatsapp",
    "content": {"type": "text", "body": "-"},
}


async def read_submission(request: Call) -> tuple[Submission | Unreadable, bytes]:
    """The submission and the bytes it was read from. Raises DomainError for a body that is not a JSON object."""
    raw = await read_bytes(request)
    require_json(request)
    trace_id = trace_id_of(request.scope)
    try:
        return SUBMIT.decode(raw).to_submission(trace_id), raw
    except DomainError as error:
        item = _unreadable(raw, error.violations, trace_id)
        if item.rest is None:
            raise
        return item, raw


def read_item(raw: msgspec.Raw, trace_id: str) -> Submission | Unreadable:
    try:
        return SUBMIT.decode(raw).to_submission(trace_id)
    except DomainError as error:
        whole = Violation(pointer="", code=error.code, detail=error.detail)
        return _unreadable(bytes(raw), error.violations or (whole,), trace_id)


def _unreadable(raw: bytes, violations: tuple[Violation, ...], trace_id: str) -> Unreadable:
    """The violations of what could not be read, with stand-ins in its place, so that the rest is judged in the same
    answer.
    """
    unread = frozenset(violation.pointer.split("/", 2)[1] for violation in violations if violation.pointer)
    if len(unread) == 0:
        return Unreadable(violations=violations)
    kept = {name: value for name, value in msgspec.json.decode(raw).items() if name not in unread}
    try:
        rest = msgspec.convert({**_STAND_INS, **kept}, SubmitBody).to_submission(trace_id)
    except msgspec.ValidationError:
        # More violations exist than are listed, so the rest cannot be told apart from what is wrong.
        return Unreadable(violations=violations)
    return Unreadable(violations=violations, unread=unread, rest=rest)
