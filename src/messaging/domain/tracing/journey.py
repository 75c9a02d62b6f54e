"""The spans of a message's way: accepted, sent by attempts, reported on by receipts, told to the tenant's callbacks.

Names and attributes follow OpenTelemetry's conventions for messaging and HTTP; they are spelt here and nowhere else. A
live process and a later reading of the timeline tell the same step with the same id and the same parent.
"""

from datetime import datetime

from msgspec import Struct

from messaging.domain.shared.ids import MessageId, Prefix, TenantId, WebhookId, typeid
from messaging.domain.tracing.spans import Span, SpanKind, SpanRef, span_id, trace_id_of

Attributes = dict[str, str | int]


class Traced(Struct, frozen=True, kw_only=True):
    """The message that spans are about. `lane` is its channel and priority, such as `sms/high`."""

    trace_id: str
    tenant_id: TenantId
    message_id: MessageId
    lane: str

    def step(self, name: str, *number: object) -> str:
        """The id of a step of this message."""
        return span_id(self.trace_id, self.message_id.hex, name, *number)


class SendSpan(Struct, frozen=True, kw_only=True):
    """What one attempt was: claimed, its first byte sent, answered, recorded. `error` is the code of a failure.

    `sent_at` is None where no start was recorded, and `outcome` where none is known yet.
    """

    attempt: int
    provider: str
    claimed_at: datetime
    sent_at: datetime | None
    answered_at: datetime
    ended_at: datetime
    outcome: str | None
    error: str | None = None
    http_status: int | None = None


def request_id(trace_id: str, message_id: MessageId) -> str:
    """The id of the span of the request that this message came with; of several, the first one."""
    return span_id(trace_id, message_id.hex, "request")


def request(
    ref: SpanRef, *, parent_id: str | None, method: str, route: str, status: int, began: datetime, ended: datetime
) -> Span:
    """A request to the API, as the process that answered it saw it."""
    return Span(
        trace_id=ref.trace_id,
        span_id=ref.span_id,
        parent_id=parent_id,
        name=f"{method} {route}",
        kind=SpanKind.SERVER,
        started_at=began,
        ended_at=ended,
        attributes={"http.request.method": method, "http.route": route, "http.response.status_code": status},
        error=str(status) if status >= 500 else None,
    )


def created_id(trace_id: str, message_id: MessageId) -> str:
    """The id of the span below which all that becomes of the message hangs."""
    return span_id(trace_id, message_id.hex, "create")


def created(traced: Traced, *, at: datetime, until: datetime, parent_id: str) -> Span:
    """The message was accepted and put into its lane."""
    return Span(
        trace_id=traced.trace_id,
        span_id=created_id(traced.trace_id, traced.message_id),
        parent_id=parent_id,
        name="create deliver",
        kind=SpanKind.PRODUCER,
        started_at=at,
        ended_at=until,
        attributes=_about(traced) | _operation("create"),
    )


def attempted(traced: Traced, send: SendSpan) -> tuple[Span, ...]:
    """A worker's work on one attempt, and within it the call of the provider if there was one."""
    process = Span(
        trace_id=traced.trace_id,
        span_id=traced.step("process", send.attempt),
        parent_id=created_id(traced.trace_id, traced.message_id),
        name="process deliver",
        kind=SpanKind.CONSUMER,
        started_at=send.claimed_at,
        ended_at=max(send.ended_at, send.claimed_at),
        attributes=_about(traced) | _operation("process") | {"messaging.message.delivery_count": send.attempt},
        error=send.error,
    )
    return (process,) if send.sent_at is None else (process, _provider_call(traced, send, send.sent_at))


def _provider_call(traced: Traced, send: SendSpan, sent_at: datetime) -> Span:
    """The call carries no `traceparent`: the provider echoes the reference of the attempt instead."""
    told: Attributes = {"provider": send.provider, "attempt.n": send.attempt, "outcome": send.outcome or "open"}
    if send.http_status is not None:
        told["http.response.status_code"] = send.http_status
    if send.error is not None:
        told["provider.error_code"] = send.error
    return Span(
        trace_id=traced.trace_id,
        span_id=traced.step("send", send.attempt),
        parent_id=traced.step("process", send.attempt),
        name=f"send {send.provider}",
        kind=SpanKind.CLIENT,
        started_at=sent_at,
        ended_at=max(send.answered_at, sent_at),
        attributes=_about(traced) | told,
        error=send.error,
    )


def webhook_ref(id: WebhookId) -> SpanRef:
    """A webhook's span, which begins a trace of its own: it may report on many messages."""
    trace_id = trace_id_of("webhook", id.hex)
    return SpanRef(trace_id, span_id(trace_id, "webhook"))


def webhook(id: WebhookId, *, provider: str, began: datetime, ended: datetime) -> Span:
    """A provider's webhook, verified and stored."""
    ref = webhook_ref(id)
    return Span(
        trace_id=ref.trace_id,
        span_id=ref.span_id,
        parent_id=None,
        name=f"POST /webhooks/{provider}",
        kind=SpanKind.SERVER,
        started_at=began,
        ended_at=ended,
        attributes={"provider": provider, "http.request.method": "POST", "webhook.id": typeid(Prefix.WEBHOOK, id)},
    )


def received(
    traced: Traced,
    *,
    seq: int,
    kind: str,
    began: datetime,
    ended: datetime,
    occurred_at: datetime | None,
    webhook_id: WebhookId | None = None,
    error: str | None = None,
) -> Span:
    """A receipt was applied as entry `seq` of the timeline; it links to the webhook that brought it, where known."""
    told: Attributes = {"receipt.kind": kind}
    if occurred_at is not None:
        told["receipt.age_ms"] = int((began - occurred_at).total_seconds() * 1000)
    return Span(
        trace_id=traced.trace_id,
        span_id=traced.step("receipt", seq),
        parent_id=created_id(traced.trace_id, traced.message_id),
        name="process receipt",
        kind=SpanKind.CONSUMER,
        started_at=began,
        ended_at=ended,
        attributes=_about(traced) | _operation("process") | told,
        error=(error or kind) if kind == "failed" else None,
        links=() if webhook_id is None else (webhook_ref(webhook_id),),
    )


def _about(traced: Traced) -> Attributes:
    return {
        "messaging.system": "messaging",
        "messaging.destination.name": traced.lane,
        "messaging.message.id": typeid(Prefix.MESSAGE, traced.message_id),
        "tenant.id": typeid(Prefix.TENANT, traced.tenant_id),
    }


def _operation(name: str) -> Attributes:
    return {"messaging.operation.name": name, "messaging.operation.type": name}
