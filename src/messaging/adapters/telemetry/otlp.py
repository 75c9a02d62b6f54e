"""Sends spans to a collector by OTLP over HTTP, with OpenTelemetry's own messages: the extra `messaging[otlp]`.

https://opentelemetry.io/docs/specs/otlp/#otlphttp. The messages take a few megabytes of memory, so this module is
imported only where a collector is set. A connection is opened for each batch: there is one every few seconds.
"""

import gzip
import http.client
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status

from messaging.adapters.telemetry.span_export import Sending
from messaging.domain.tracing.spans import Span, SpanKind

# Seconds that one batch may take, from the connection to the answer.
_PATIENCE: Final = 5.0
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
# The trace flags of an exported span, by W3C Trace Context: sampled.
_SAMPLED: Final = 1
_KINDS: Final = {
    SpanKind.INTERNAL: trace_pb2.Span.SPAN_KIND_INTERNAL,
    SpanKind.SERVER: trace_pb2.Span.SPAN_KIND_SERVER,
    SpanKind.CLIENT: trace_pb2.Span.SPAN_KIND_CLIENT,
    SpanKind.PRODUCER: trace_pb2.Span.SPAN_KIND_PRODUCER,
    SpanKind.CONSUMER: trace_pb2.Span.SPAN_KIND_CONSUMER,
}


class OtlpSender:
    """Sends batches of spans. `resource` tells what emitted them, such as `service.name`."""

    def __init__(
        self, endpoint: str, *, headers: Mapping[str, str], resource: Mapping[str, str], patience: float = _PATIENCE
    ) -> None:
        self._url = urlsplit(endpoint.rstrip("/") + "/v1/traces")
        self._resource = Resource(attributes=_attributes(resource))
        self._patience = patience
        self._tls = ssl.create_default_context() if self._url.scheme == "https" else None
        self._headers = {**headers, "content-type": "application/x-protobuf", "content-encoding": "gzip"}

    def __call__(self, batch: Sequence[Span]) -> Sending:
        """Send a batch. It blocks for some seconds at most, and raises nothing that a network can cause."""
        connection = self._connection()
        try:
            connection.request("POST", self._url.path, body=gzip.compress(self.encoded(batch)), headers=self._headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return Sending.TRY_AGAIN
        finally:
            connection.close()
        if 200 <= status < 300:
            return Sending.TAKEN
        return Sending.TRY_AGAIN if status in _RETRYABLE else Sending.REFUSED

    def encoded(self, batch: Sequence[Span]) -> bytes:
        """The batch as an `ExportTraceServiceRequest`."""
        scope = ScopeSpans(scope=InstrumentationScope(name="messaging"), spans=[_encoded(span) for span in batch])
        whole = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=self._resource, scope_spans=[scope])])
        return bytes(whole.SerializeToString())

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=self._patience)
        return http.client.HTTPSConnection(host, port, timeout=self._patience, context=self._tls)


def _encoded(span: Span) -> trace_pb2.Span:
    attributes = span.attributes if span.error is None else {**span.attributes, "error.type": span.error}
    return trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=b"" if span.parent_id is None else bytes.fromhex(span.parent_id),
        flags=_SAMPLED,
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=_nanoseconds(span.started_at),
        end_time_unix_nano=_nanoseconds(span.ended_at),
        attributes=_attributes(attributes),
        links=[
            trace_pb2.Span.Link(trace_id=bytes.fromhex(link.trace_id), span_id=bytes.fromhex(link.span_id))
            for link in span.links
        ],
        status=Status(code=Status.STATUS_CODE_UNSET if span.error is None else Status.STATUS_CODE_ERROR),
    )


def _attributes(attributes: Mapping[str, str | int]) -> Iterator[KeyValue]:
    for key, value in attributes.items():
        told = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
        yield KeyValue(key=key, value=told)


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
