"""Spans on the wire: what a collector decodes, and what its answers mean."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

from messaging.adapters.telemetry.otlp import OtlpSender
from messaging.adapters.telemetry.span_export import Sending
from messaging.domain.tracing.spans import Span, SpanKind, SpanRef
from tests.collector import Collector

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SPAN = Span(
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    span_id="00f067aa0ba902b7",
    parent_id="b7ad6b7169203331",
    name="send whatsapp_cloud",
    kind=SpanKind.CLIENT,
    started_at=NOON,
    ended_at=NOON + timedelta(milliseconds=27),
    attributes={"provider": "whatsapp_cloud", "attempt.n": 2},
    error="131026",
    links=(SpanRef("c" * 32, "d" * 16),),
)


@contextmanager
def sending(collector: Collector) -> Iterator[OtlpSender]:
    with collector:
        yield OtlpSender(collector.url, headers={"api-key": "k-1"}, resource={"service.name": "messaging"})


def test_a_collector_decodes_what_was_emitted() -> None:
    collector = Collector()

    with sending(collector) as send:
        assert send([SPAN]) is Sending.TAKEN

    [span] = collector.spans
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (
        SPAN.trace_id,
        SPAN.span_id,
        SPAN.parent_id,
    )
    assert (span.name, span.kind) == ("send whatsapp_cloud", trace_pb2.Span.SPAN_KIND_CLIENT)
    assert span.end_time_unix_nano - span.start_time_unix_nano == 27_000_000
    assert span.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    told = {it.key: it.value.string_value or it.value.int_value for it in span.attributes}
    assert told == {"provider": "whatsapp_cloud", "attempt.n": 2, "error.type": "131026"}
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in span.links] == [("c" * 32, "d" * 16)]
    assert collector.headers[0]["api-key"] == "k-1"
    assert collector.headers[0]["content-type"] == "application/x-protobuf"
    assert gzip.decompress(collector.bodies[0])


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (202, Sending.TAKEN),
        (400, Sending.REFUSED),
        (401, Sending.REFUSED),
        (429, Sending.TRY_AGAIN),
        (503, Sending.TRY_AGAIN),
    ],
)
def test_the_collectors_status_tells_whether_to_try_again(status: int, result: Sending) -> None:
    with sending(Collector(status=status)) as send:
        assert send([SPAN]) is result


def test_a_collector_that_is_not_there_is_tried_again() -> None:
    send = OtlpSender("http://127.0.0.1:1", headers={}, resource={})

    assert send([SPAN]) is Sending.TRY_AGAIN
