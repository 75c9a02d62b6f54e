"""Public views of what becomes of callbacks."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from messaging.application.callbacks.delivering.outgoing import excerpt_context
from messaging.application.ports.callbacks.deliveries import AttemptRow, DeliveryRow, EndpointHealth
from messaging.application.ports.secrets import CannotDecrypt, TenantCipher
from messaging.domain.shared.ids import CallbackEndpointId, Prefix, typeid


class CallbackAttemptView(Struct, frozen=True, kw_only=True):
    """One attempt to post an event to an endpoint."""

    id: Annotated[str, Meta(description="Its id.")]
    event_id: Annotated[str, Meta(description="The event, evt_…; its callbacks carry it as webhook-id.")]
    attempt: Annotated[int, Meta(description="The number of the attempt of this event, from 1.")]
    started_at: Annotated[datetime, Meta(description="Written before the request leaves.")]
    finished_at: Annotated[datetime | None, Meta(description="Null while it is under way, or if its process was lost.")]
    outcome: Annotated[
        str | None,
        Meta(description="`delivered`, `failed` (tried again or given up), `discarded`, `dead` (our fault); or null."),
    ]
    http_status: Annotated[int | None, Meta(description="What the endpoint answered; null without an answer.")]
    failure: Annotated[
        str | None, Meta(description="What was wrong, such as `http_500`, `timeout`, `dns`, `tls`, `redirect`.")
    ]
    url_host: Annotated[str, Meta(description="The host of the URL that was posted to.")]
    duration_ms: Annotated[int | None, Meta(description="How long the exchange took.")]
    probe: Annotated[bool, Meta(description="Whether it tried an endpoint that had stopped answering.")]
    response_excerpt: Annotated[
        str | None, Meta(description="The beginning of the answer's body as text, 1 KiB at most.")
    ]

    @classmethod
    def of(cls, row: AttemptRow, cipher: TenantCipher) -> "CallbackAttemptView":
        return cls(
            id=typeid(Prefix.CALLBACK_ATTEMPT, row.id),
            event_id=typeid(Prefix.EVENT, row.event_id),
            attempt=row.n,
            started_at=row.started_at,
            finished_at=row.finished_at,
            outcome=row.outcome,
            http_status=row.http_status,
            failure=row.failure,
            url_host=row.url_host,
            duration_ms=row.ms,
            probe=row.probe,
            response_excerpt=_text(row, cipher),
        )


class CallbackDeliveryView(Struct, frozen=True, kw_only=True):
    """What became of an event at one endpoint."""

    endpoint_id: Annotated[str, Meta(description="The endpoint, cbe_….")]
    state: Annotated[
        str,
        Meta(
            description="`waiting` (behind an earlier event about the same subject), `due`, `held` (the endpoint is "
            "not enabled), or its end: `delivered`, `exhausted` (given up after its window), `discarded`, `dead`."
        ),
    ]
    attempts: Annotated[int, Meta(description="How often it was posted.")]
    last_failure: Annotated[str | None, Meta(description="What was wrong last, or why it was discarded.")]
    ended_at: Annotated[datetime | None, Meta(description="When it ended; null before.")]
    next_attempt_at: Annotated[datetime | None, Meta(description="When it is posted next, if nothing holds it back.")]

    @classmethod
    def of(cls, row: DeliveryRow) -> "CallbackDeliveryView":
        return cls(
            endpoint_id=typeid(Prefix.CALLBACK_ENDPOINT, row.endpoint_id),
            state=row.state,
            attempts=row.attempts,
            last_failure=row.last_failure,
            ended_at=row.ended_at,
            next_attempt_at=row.next_attempt_at,
        )


class CallbackDeliveriesView(Struct, frozen=True, kw_only=True):
    """One delivery for each endpoint that the event went to."""

    data: tuple[CallbackDeliveryView, ...]


class EndpointHealthView(Struct, frozen=True, kw_only=True):
    """How an endpoint does, and what waits for it; counts end at 10 000."""

    id: Annotated[str, Meta(description="Its id.")]
    status: Annotated[str, Meta(description="`enabled`, `paused` by you, or `disabled` by the platform.")]
    disabled_reason: Annotated[
        str | None,
        Meta(description="`failing`: no success for days; `gone`: it answered 410; `policy`; null if not disabled."),
    ]
    breaker: Annotated[
        str,
        Meta(description="`closed`; `open`: it does not answer, and one event is tried now and then; `half_open`."),
    ]
    consecutive_failures: Annotated[int, Meta(description="Failed attempts since the last success.")]
    failing_since: Annotated[
        datetime | None,
        Meta(description="The first failure since the last success. After 72 hours the endpoint may be disabled."),
    ]
    last_success_at: Annotated[datetime | None, Meta(description="When a callback was last delivered.")]
    next_attempt_at: Annotated[datetime | None, Meta(description="When something is posted next; null if nothing is.")]
    due: Annotated[int, Meta(description="Events that may be posted now.")]
    waiting: Annotated[int, Meta(description="Events that are not held and have not ended, those due included.")]
    held: Annotated[int, Meta(description="Events kept for 30 days because the endpoint is or was not enabled.")]

    @classmethod
    def of(cls, id: CallbackEndpointId, health: EndpointHealth) -> "EndpointHealthView":
        return cls(
            id=typeid(Prefix.CALLBACK_ENDPOINT, id),
            status=health.status.value,
            disabled_reason=None if health.disabled_reason is None else health.disabled_reason.value,
            breaker=health.breaker,
            consecutive_failures=health.failures,
            failing_since=health.failing_since,
            last_success_at=health.last_success_at,
            next_attempt_at=health.next_look_at,
            due=health.due,
            waiting=health.waiting,
            held=health.held,
        )


def _text(row: AttemptRow, cipher: TenantCipher) -> str | None:
    if row.excerpt is None:
        return None
    try:
        return cipher.open(excerpt_context(row.id), row.excerpt).decode(errors="replace")
    except CannotDecrypt:
        return None
