"""Every metric with its help text and labels; they are kept by the Prometheus client, and spans by an exporter.

Every metric is declared here once. An undeclared name or label is an error, not a new time series: dashboards and
alerts depend on these names, and an open set of labels grows without bound in the metrics store.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from messaging.adapters.telemetry.span_export import SpanExport
from messaging.domain.tracing.spans import Span

_NAMESPACE: Final = "messaging"
# Upper bounds in seconds, from a local commit (1 ms) to a slow provider (60 s).
_BUCKETS: Final[tuple[float, ...]] = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)


# Of waits, which are short or as long as a backlog; an objective's limit is one of the bounds.
_WAITS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class Declared(Struct, frozen=True):
    """`buckets` are the upper bounds of a histogram, in seconds."""

    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _BUCKETS


COUNTERS: Final[dict[str, Declared]] = {
    "messages_accepted": Declared("Messages answered with 202.", ("channel", "priority")),
    "messages_refused": Declared("Violations that kept messages out.", ("code",)),
    "sends_held_back": Declared("Due messages that found no token, by the limit that holds longest.", ("limit",)),
    "slots_missed": Declared("Sends that were not ready in time for their sender's pace and had to wait anew."),
    "attempts": Declared("Sends handed to a provider, by what came of them.", ("provider", "outcome")),
    "unknown_resolved": Declared("Ends of a wait for an echo: unconfirmed, resent, or waiting on.", ("outcome",)),
    "status_polls": Declared("Checks of messages without news, by whether they brought any.", ("news",)),
    "receipts": Declared("Provider statuses applied.", ("kind",)),
    "receipts_refused": Declared("Provider statuses about a message that left by another account: not applied.", ()),
    "http_requests": Declared("Requests answered.", ("method", "route", "status")),
    "http_refusals": Declared("Requests and connections ended before any operation saw them.", ("reason",)),
    "webhooks_received": Declared("Webhooks posted by providers, by what was done.", ("provider", "outcome")),
    "webhooks_processed": Declared("Stored webhooks read, by what was done.", ("outcome",)),
    "contact_aliases_learnt": Declared("Names that a provider told to be a known person's, by where.", ("source",)),
    "inbound_messages": Declared("Messages people wrote to a sender.", ("kind",)),
    "inbound_oddities": Declared("What messages of people lacked and was filled in.", ("oddity",)),
    "provider_events": Declared("Events of providers without a meaning here, kept.", ("kind",)),
    "wakeups_failed": Declared("Wakeups whose run ended in an error; the work stays due.", ("queue",)),
    "jobs_run": Declared("Runs of jobs of the outbox, by what became of the job.", ("kind", "end")),
    "breaker_changes": Declared("Circuit breakers that opened, were probed or closed.", ("scope", "state")),
    "template_syncs": Declared("Readings of an account's templates, by what came of them.", ("outcome",)),
    "relay_fallbacks": Declared("Relay passes that found Redis away and started the work in their own process."),
    "callbacks": Declared("Attempts and ends of callbacks, by what came of them.", ("outcome", "type_group")),
    "callback_attempts": Declared("Exchanges with tenants' endpoints, by their result.", ("result",)),
    "endpoint_notices": Declared("Notices that an endpoint fails, was disabled or works again.", ("level",)),
    "partitions_dropped": Declared("Weekly partitions dropped because they were past their retention.", ("table",)),
    "spans_exported": Declared("Spans that the collector has taken.", ()),
    "spans_dropped": Declared("Spans given up: the queue was full, or the collector refused them.", ("reason",)),
}
HISTOGRAMS: Final[dict[str, Declared]] = {
    "callback_seconds": Declared("One exchange with a tenant's endpoint.", ("pool",)),
    "callback_delay_seconds": Declared("From the fan-out of an event to its first post to an endpoint.", (), _WAITS),
    "attempt_seconds": Declared("From taking a message up to the provider's answer.", ("provider",)),
    "stage_seconds": Declared("How long a stage of a message's way took.", ("stage", "priority"), _WAITS),
    "http_request_seconds": Declared("From the request's head to the answer's end.", ("method", "route")),
    "callback_fanout_seconds": Declared("From an event's announcement until it is queued for endpoints."),
}
GAUGES: Final[dict[str, Declared]] = {
    "post_mortems_overdue": Declared("Incidents that ended more than 48 hours ago and are not explained."),
    "callback_lanes": Declared("Endpoints by the state of their breaker, and those that are slow.", ("state",)),
    "callback_queue": Declared("Callbacks that are due or held, counted up to 10 000.", ("state",)),
    "callback_oldest_due_seconds": Declared("How long the oldest lane with a closed breaker has been due."),
    "breakers_open": Declared("Circuit breakers that are not closed, as far as this process knows.", ("scope",)),
    "callback_fanout_waiting": Declared("Announced events of all tenants that wait to be queued for endpoints."),
}
_DECLARED: Final = COUNTERS | HISTOGRAMS | GAUGES


class UndeclaredMetric(Exception):
    """The code reports a metric or a label that is not declared in this module."""

    def __init__(self, name: str, labels: dict[str, str]) -> None:
        super().__init__(f"metric {name} with labels {sorted(labels)} is not declared in {__name__}")


class PrometheusTelemetry:
    """The port `Telemetry` on the Prometheus client. Spans go to `spans`; without it none are wanted.

    The child of a metric (one combination of label values) is looked up once and kept, because the library's own lookup
    takes longer than counting.
    """

    def __init__(self, *, registry: CollectorRegistry, spans: SpanExport | None = None) -> None:
        self._counters = {
            name: Counter(name, it.help, it.labels, namespace=_NAMESPACE, registry=registry)
            for name, it in COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(name, it.help, it.labels, namespace=_NAMESPACE, registry=registry, buckets=it.buckets)
            for name, it in HISTOGRAMS.items()
        }
        self._gauges = {
            name: Gauge(name, it.help, it.labels, namespace=_NAMESPACE, registry=registry)
            for name, it in GAUGES.items()
        }

        self._children: dict[tuple[object, ...], Any] = {}
        self._spans = spans
        # Trace ids below it are sampled; no id is below the empty text.
        self._sampled_below = ""
        if spans is not None:
            self._sampled_below = spans.sampled_below
            spans.report_to(self)

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        self._child(self._counters, name, labels).inc(value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self._child(self._histograms, name, labels).observe(seconds)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self._child(self._gauges, name, labels).set(value)

    def traces(self, trace_id: str | None) -> bool:
        return trace_id is not None and trace_id[16:] < self._sampled_below

    def emit(self, spans: Sequence[Span]) -> None:
        if self._spans is not None:
            self._spans.put(spans)

    def _child(self, metrics: Mapping[str, Any], name: str, labels: dict[str, str]) -> Any:
        key = (name, *labels.items())
        child = self._children.get(key)
        if child is None:
            if name not in metrics or labels.keys() != set(_DECLARED[name].labels):
                raise UndeclaredMetric(name, labels)
            child = self._children[key] = metrics[name].labels(**labels) if labels else metrics[name]
        return child
