"""The spans of a message's way: their names, parents and attributes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from messaging.domain.shared.ids import MessageId, TenantId, WebhookId
from messaging.domain.tracing import journey
from messaging.domain.tracing.callbacks import CallbackTry, announced, called_back, traceparent
from messaging.domain.tracing.journey import SendSpan, Traced
from messaging.domain.tracing.spans import Span, SpanKind

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ID = MessageId(UUID(int=2))
WEBHOOK, EVENT, ENDPOINT = WebhookId(UUID(int=3)), UUID(int=4), UUID(int=5)
MESSAGE = Traced(trace_id=TRACE, tenant_id=TenantId(UUID(int=1)), message_id=ID, lane="whatsapp/high")


def a_send(**changes: object) -> SendSpan:
    fields = {
        "attempt": 2,
        "provider": "whatsapp_cloud",
        "claimed_at": NOON,
        "sent_at": NOON + SECOND,
        "answered_at": NOON + 2 * SECOND,
        "ended_at": NOON + 3 * SECOND,
        "outcome": "accepted",
    }
    return SendSpan(**(fields | changes))  # type: ignore[arg-type]


def test_an_attempt_is_the_workers_span_and_below_it_the_providers() -> None:
    process, send = journey.attempted(MESSAGE, a_send())

    assert (process.name, process.kind, process.parent_id) == (
        "process deliver",
        SpanKind.CONSUMER,
        journey.created_id(TRACE, ID),
    )
    assert (process.started_at, process.ended_at) == (NOON, NOON + 3 * SECOND)
    assert process.attributes["messaging.destination.name"] == "whatsapp/high"
    assert process.attributes["messaging.message.delivery_count"] == 2
    assert (send.name, send.kind, send.parent_id) == ("send whatsapp_cloud", SpanKind.CLIENT, process.span_id)
    assert (send.started_at, send.ended_at) == (NOON + SECOND, NOON + 2 * SECOND)
    assert (send.attributes["outcome"], send.attributes["attempt.n"], send.error) == ("accepted", 2, None)


def test_an_attempt_that_never_left_has_no_call() -> None:
    [process] = journey.attempted(MESSAGE, a_send(sent_at=None, outcome="not_sent", error="poison"))

    assert process.error == "poison"


def test_a_refused_attempt_tells_its_code_and_status() -> None:
    _, send = journey.attempted(MESSAGE, a_send(outcome="rejected", error="131026", http_status=400))

    assert send.error == "131026"
    assert send.attributes["provider.error_code"] == "131026"
    assert send.attributes["http.response.status_code"] == 400


def test_a_receipt_belongs_to_the_message_and_links_to_its_webhook() -> None:
    webhook = journey.webhook(WEBHOOK, provider="whatsapp_cloud", began=NOON, ended=NOON)
    receipt = a_receipt("delivered")

    assert receipt.trace_id == TRACE != webhook.trace_id
    assert receipt.parent_id == journey.created_id(TRACE, ID)
    assert receipt.links == ((webhook.trace_id, webhook.span_id),)
    assert webhook.parent_id is None
    assert receipt.attributes["receipt.age_ms"] == 1000
    assert receipt.error is None
    assert a_receipt("failed", error="131026").error == "131026"


def a_receipt(kind: str, error: str | None = None) -> Span:
    return journey.received(
        MESSAGE,
        seq=5,
        kind=kind,
        began=NOON + SECOND,
        ended=NOON + SECOND,
        occurred_at=NOON,
        webhook_id=WEBHOOK,
        error=error,
    )


def test_a_callbacks_tries_hang_below_its_announcement_and_carry_their_own_id_out() -> None:
    parent = journey.created_id(TRACE, ID)
    told = announced(TRACE, parent_id=parent, event_id=EVENT, type="message.read", endpoints=1, at=NOON, until=NOON)
    tried = called_back(
        TRACE,
        CallbackTry(
            event_id=EVENT, endpoint_id=ENDPOINT, n=3, host="shop.example", began=NOON, ended=NOON, error="timeout"
        ),
    )

    assert (told.parent_id, tried.parent_id, tried.error) == (parent, told.span_id, "timeout")
    assert "http.response.status_code" not in tried.attributes
    header = traceparent(TRACE, event_id=EVENT, endpoint_id=ENDPOINT, n=3, sampled=True)
    assert header == f"00-{TRACE}-{tried.span_id}-01"
