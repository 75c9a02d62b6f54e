"""Emits the spans of messages that have just been accepted within a trace that is sampled."""

from collections.abc import Sequence
from datetime import datetime

from messaging.application.ports.telemetry import Telemetry
from messaging.domain.messages.message import Message
from messaging.domain.tracing import journey
from messaging.domain.tracing.journey import Traced
from messaging.domain.tracing.spans import Span


def emit_created(telemetry: Telemetry, messages: Sequence[Message], *, now: datetime) -> str:
    """The messages are those of one request, at least one. Returns the id that the request's span has to have."""
    trace_id = messages[0].trace_id
    assert trace_id is not None
    parent_id = journey.request_id(trace_id, messages[0].id)
    telemetry.emit([_created(message, trace_id, parent_id, now) for message in messages])
    return parent_id


def _created(message: Message, trace_id: str, parent_id: str, now: datetime) -> Span:
    traced = Traced(
        trace_id=trace_id,
        tenant_id=message.tenant_id,
        message_id=message.id,
        lane=f"{message.channel}/{message.priority}",
    )
    return journey.created(traced, at=message.created_at, until=max(now, message.created_at), parent_id=parent_id)
