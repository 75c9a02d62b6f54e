"""The spans of an event on its way to a tenant's endpoint, and the `traceparent` that a callback carries.

They belong to the trace of the message, or other subject, that the event is about: `parent_id` is the step that it
follows from, such as `journey.created_id` of a message.
"""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from messaging.domain.tracing.spans import Span, SpanKind, span_id


class CallbackTry(Struct, frozen=True, kw_only=True):
    """One exchange with an endpoint: the `n`th about this event. Without an answer, `http_status` is None.

    `error` is what failed, such as `timeout` or the status; None for a success. `host` is the endpoint's, without path
    and query.
    """

    event_id: UUID
    endpoint_id: UUID
    n: int
    host: str
    began: datetime
    ended: datetime
    http_status: int | None = None
    error: str | None = None


def announced(
    trace_id: str, *, parent_id: str | None, event_id: UUID, type: str, endpoints: int, at: datetime, until: datetime
) -> Span:
    """An event was written for the endpoints that listen for it."""
    return Span(
        trace_id=trace_id,
        span_id=span_id(trace_id, event_id.hex, "create callback"),
        parent_id=parent_id,
        name="create callback",
        kind=SpanKind.PRODUCER,
        started_at=at,
        ended_at=until,
        attributes={"messaging.system": "messaging", "event.type": type, "endpoints": endpoints},
    )


def called_back(trace_id: str, tried: CallbackTry) -> Span:
    """One try to bring an event to an endpoint; it hangs below the event's `announced`."""
    told: dict[str, str | int] = {
        "messaging.system": "messaging",
        "endpoint.id": str(tried.endpoint_id),
        "server.address": tried.host,
        "http.request.method": "POST",
        "attempt.n": tried.n,
    }
    if tried.http_status is not None:
        told["http.response.status_code"] = tried.http_status
    return Span(
        trace_id=trace_id,
        span_id=_try_id(trace_id, tried.event_id, tried.endpoint_id, tried.n),
        parent_id=span_id(trace_id, tried.event_id.hex, "create callback"),
        name="send callback",
        kind=SpanKind.CLIENT,
        started_at=tried.began,
        ended_at=tried.ended,
        attributes=told,
        error=tried.error,
    )


def traceparent(trace_id: str, *, event_id: UUID, endpoint_id: UUID, n: int, sampled: bool) -> str:
    """The header by which the endpoint's own trace goes on from this try. No `tracestate`, no `baggage` goes out."""
    return f"00-{trace_id}-{_try_id(trace_id, event_id, endpoint_id, n)}-{'01' if sampled else '00'}"


def _try_id(trace_id: str, event_id: UUID, endpoint_id: UUID, n: int) -> str:
    return span_id(trace_id, event_id.hex, "send callback", endpoint_id.hex, n)
