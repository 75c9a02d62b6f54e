"""The way of spans from the event loop to the collector: in batches, bounded, and never waited for."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from messaging.adapters.telemetry.span_export import Sending, SpanExport
from messaging.domain.tracing.spans import Span, SpanKind
from tests.fakes.telemetry import Counts

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
PATIENCE = 60.0


def spans(count: int) -> list[Span]:
    return [
        Span(
            trace_id="a" * 32,
            span_id=f"{number:016x}",
            parent_id=None,
            name="step",
            kind=SpanKind.INTERNAL,
            started_at=NOON,
            ended_at=NOON,
        )
        for number in range(1, count + 1)
    ]


class Collector:
    """Answers each batch with the next of `answers`, and with the last one from then on; holds batches while shut."""

    def __init__(self, *answers: Sending | Exception) -> None:
        self.answers = list(answers or (Sending.TAKEN,))
        self.batches: list[list[str]] = []
        self.asked = threading.Event()
        self.opened = threading.Event()
        self.opened.set()

    def __call__(self, batch: Sequence[Span]) -> Sending:
        self.batches.append([span.span_id for span in batch])
        self.asked.set()
        assert self.opened.wait(PATIENCE)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def export(collector: Collector, *, capacity: int = 2_048, pause: float = 0.001) -> tuple[SpanExport, Counts]:
    built, counts = SpanExport(collector, sample=1.0, capacity=capacity, pause=pause), Counts()
    built.report_to(counts)
    return built, counts


def test_what_waits_when_the_process_ends_is_sent_in_its_order() -> None:
    collector = Collector()
    built, counts = export(collector, pause=PATIENCE)

    built.put(spans(3))
    built.close(within=PATIENCE)

    assert collector.batches == [[span.span_id for span in spans(3)]]
    assert counts.seen == {"spans_exported{}": 3}


def test_a_collector_that_never_answers_costs_spans_and_no_time() -> None:
    collector = Collector()
    collector.opened.clear()
    built, counts = export(collector, capacity=10)

    built.put(spans(4))
    assert collector.asked.wait(PATIENCE)
    built.put(spans(12))
    built.put(spans(1))
    built.close(within=0.01)

    assert not collector.opened.is_set(), "nobody has waited for the collector"
    assert counts.seen == {"spans_dropped{reason=full}": 3}
    collector.opened.set()


def test_a_batch_that_the_collector_could_not_take_is_sent_again_before_newer_ones() -> None:
    collector = Collector(Sending.TRY_AGAIN, Sending.TAKEN)
    built, counts = export(collector, pause=PATIENCE)

    built.put(spans(2))
    built._flush()
    built.put(spans(3)[2:])
    built.close(within=PATIENCE)

    assert collector.batches == [[s.span_id for s in spans(2)], [s.span_id for s in spans(3)]]
    assert counts.seen == {"spans_exported{}": 3}


def test_refused_batches_and_defects_are_counted_and_the_thread_goes_on() -> None:
    collector = Collector(Sending.REFUSED, RuntimeError("a defect"), Sending.TAKEN)
    built, counts = export(collector, pause=PATIENCE)

    for _ in range(3):
        built.put(spans(1))
        built._flush()

    assert counts.seen == {"spans_dropped{reason=refused}": 2, "spans_exported{}": 1}
    built.close(within=PATIENCE)
