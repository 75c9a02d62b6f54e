"""Tells a message's trace from its timeline: every span of its way, as live processes would have emitted it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from msgspec import Meta, Struct

from messaging.application.messages.reading.queries import own_message
from messaging.application.ports.records import EventRow, MessageRow
from messaging.application.ports.snapshots import Snapshots, TenantSnapshot
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenMessages
from messaging.domain.shared.ids import AccountId, MessageId, Prefix, TenantId, parse_typeid
from messaging.domain.tenants.tenant import Principal
from messaging.domain.tracing import journey
from messaging.domain.tracing.journey import SendSpan, Traced
from messaging.domain.tracing.spans import Span, SpanRef

# Entries of a timeline that are read for a trace, at most; nearly all have fewer than twenty.
MOST_EVENTS: Final = 1_000
_RECEIPT: Final = "receipt."
_CLAIMED, _STARTED = "attempt.claimed", "attempt.started"


class SpanView(Struct, frozen=True, kw_only=True):
    """One step of a message's way. `error` is the code of a failed step."""

    span_id: Annotated[str, Meta(description="The step's id, 16 hexadecimal digits.")]
    parent_id: Annotated[str | None, Meta(description="The step that it belongs to; null for one without any.")]
    name: Annotated[str, Meta(description="What was done, such as `process deliver`.")]
    kind: Annotated[str, Meta(description="As OpenTelemetry has it: internal, server, client, producer or consumer.")]
    started_at: Annotated[datetime, Meta(description="When it began.")]
    ended_at: Annotated[datetime, Meta(description="When it ended.")]
    error: Annotated[str | None, Meta(description="The code of what went wrong; null for a step that went well.")]
    attributes: Annotated[
        dict[str, str | int], Meta(description="Ids, codes and numbers: no recipient, no content, no secret.")
    ]


class TraceView(Struct, frozen=True, kw_only=True):
    """A message's trace, told from its timeline. Times are those at which the steps were recorded."""

    trace_id: Annotated[
        str | None, Meta(description="The caller's trace, or one of our own; null for messages of before traces.")
    ]
    sampled: Annotated[bool, Meta(description="Whether its spans were exported as they came about.")]
    spans: Annotated[tuple[SpanView, ...], Meta(description="The steps in the order of the message's way.")]


class FindTrace:
    """Reads one message's trace."""

    def __init__(self, *, open_uow: OpenMessages, snapshots: Snapshots, telemetry: Telemetry) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._telemetry = telemetry

    async def __call__(self, principal: Principal, id: MessageId) -> TraceView:
        """Raises DomainError `not_found`."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            row = await own_message(uow.records, id)
            events = await uow.records.events(id, after=0, limit=MOST_EVENTS)
        facts = await self._snapshots.tenant(principal.tenant_id)
        spans = chain(principal.tenant_id, row, events, provider_of(row, facts))
        return TraceView(
            trace_id=row.trace_id, sampled=self._telemetry.traces(row.trace_id), spans=tuple(map(_shown, spans))
        )


def _shown(span: Span) -> SpanView:
    return SpanView(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        kind=span.kind,
        started_at=span.started_at,
        ended_at=span.ended_at,
        error=span.error,
        attributes=span.attributes,
    )


def provider_of(row: MessageRow, facts: TenantSnapshot | None) -> str:
    """The provider that the message leaves by; "provider" if its account is gone."""
    id = parse_typeid(Prefix.ACCOUNT, row.account_id)
    account = None if facts is None or id is None else facts.accounts.get(AccountId(id))
    return "provider" if account is None else account.provider


def chain(tenant_id: TenantId, row: MessageRow, events: Sequence[EventRow], provider: str) -> tuple[Span, ...]:
    """All spans of a message, in the order of its way; none for a message without a trace."""
    if row.trace_id is None:
        return ()
    traced = Traced(trace_id=row.trace_id, tenant_id=tenant_id, message_id=row.id, lane=f"{row.channel}/{row.priority}")
    return (
        *_accepted(traced, row, events),
        *(span for number in _attempts(events) for span in journey.attempted(traced, _send(number, events, provider))),
        *_receipts(traced, events),
    )


def _accepted(traced: Traced, row: MessageRow, events: Sequence[EventRow]) -> tuple[Span, Span]:
    """The request, of which the timeline knows only when it was accepted, and the message that it made."""
    began = row.created_at
    ended = max(began, events[0].recorded_at) if events else began
    ref = SpanRef(traced.trace_id, journey.request_id(traced.trace_id, traced.message_id))
    asked = journey.request(
        ref, parent_id=None, method="POST", route="/v1/messages", status=202, began=began, ended=ended
    )
    return asked, journey.created(traced, at=began, until=ended, parent_id=ref.span_id)


def _attempts(events: Iterable[EventRow]) -> list[int]:
    return [number for event in events if event.type == _CLAIMED and (number := _attempt(event)) is not None]


def _attempt(event: EventRow) -> int | None:
    number = event.detail.get("attempt")
    return number if isinstance(number, int) else None


def _send(number: int, events: Sequence[EventRow], provider: str) -> SendSpan:
    """What the timeline tells of an attempt: the last entry about it that is no receipt tells how it ended."""
    own = [event for event in events if _attempt(event) == number and not event.type.startswith(_RECEIPT)]
    claimed, end = own[0], own[-1]
    started = next((event for event in own if event.type == _STARTED), None)
    sent_at = None if started is None else started.recorded_at
    code, status = end.detail.get("code"), end.detail.get("http_status")
    return SendSpan(
        attempt=number,
        provider=provider,
        claimed_at=claimed.recorded_at,
        sent_at=sent_at,
        answered_at=_answered_at(sent_at, end),
        ended_at=end.recorded_at,
        outcome=_outcome(end),
        error=None if code is None else str(code),
        http_status=status if isinstance(status, int) else None,
    )


def _answered_at(sent_at: datetime | None, end: EventRow) -> datetime:
    latency = end.detail.get("latency_ms")
    if sent_at is None or not isinstance(latency, int):
        return end.recorded_at
    return sent_at + timedelta(milliseconds=latency)


# What an attempt's last entry says of its outcome, where it does not name one.
_OUTCOMES: Final[Mapping[str, str]] = {
    "message.submitted": "accepted",
    "attempt.accepted": "accepted",
    "attempt.released": "not_sent",
    "attempt.lease_ended": "not_sent",
    "message.unknown": "unknown",
}


def _outcome(end: EventRow) -> str | None:
    told = end.detail.get("outcome")
    return str(told) if told is not None else _OUTCOMES.get(end.type)


def _receipts(traced: Traced, events: Iterable[EventRow]) -> Iterable[Span]:
    for event in events:
        if event.type.startswith(_RECEIPT):
            code = event.detail.get("code")
            yield journey.received(
                traced,
                seq=event.seq,
                kind=event.type.removeprefix(_RECEIPT),
                began=event.recorded_at,
                ended=event.recorded_at,
                occurred_at=event.occurred_at,
                error=None if code is None else str(code),
            )
