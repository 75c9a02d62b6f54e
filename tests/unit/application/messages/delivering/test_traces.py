"""The spans of a delivery: emitted as it goes where the trace is sampled, told later where it ended badly."""

from datetime import timedelta
from itertools import count

from messaging.application.messages.reading.trace import FindTrace
from messaging.application.messages.tracking.keep_traces import KeepTraces, NotedEnds
from messaging.application.ports.providers.sending import NotStarted, Outgoing
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.retry import Rejected, SendResult
from messaging.domain.messages.state import State
from messaging.domain.shared.mode import Mode
from tests.builders import a_principal
from tests.fakes.gateway import MayStart
from tests.unit.application.messages.delivering.delivering import Delivery

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ALL = "g"
REFUSED = Rejected(code="131026", reason="Undeliverable.", http_status=400)


async def refuse(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
    return REFUSED if await may_start() else NotStarted()


async def delivered(*, sampled: bool, refused: bool = False) -> tuple[Delivery, MessageKey]:
    delivery = Delivery()
    delivery.counts.sampled_below = ALL if sampled else ""
    if refused:
        delivery.gateway.answer = refuse
    key = delivery.submit(trace_id=TRACE)
    await delivery.run()
    return delivery, key


async def test_a_send_of_a_sampled_trace_leaves_the_workers_span_and_the_providers() -> None:
    delivery, key = await delivered(sampled=True)

    process, send = delivery.counts.spans
    assert (process.name, send.name, send.parent_id) == ("process deliver", "send whatsapp_cloud", process.span_id)
    assert {span.trace_id for span in delivery.counts.spans} == {TRACE}
    assert process.started_at <= send.started_at <= send.ended_at
    assert send.attributes["outcome"] == "accepted"
    assert delivery.state(key).trace_id == TRACE


async def test_a_send_of_another_trace_leaves_none() -> None:
    delivery, _ = await delivered(sampled=False)

    assert delivery.counts.spans == []


async def test_what_is_told_from_the_timeline_has_the_ids_of_what_was_emitted() -> None:
    delivery, key = await delivered(sampled=True)
    find = FindTrace(open_uow=delivery.store.open_tenant_uow, snapshots=delivery.snapshots, telemetry=delivery.counts)

    told = await find(a_principal(mode=Mode.LIVE), key.message_id)

    assert (told.trace_id, told.sampled) == (TRACE, True)
    assert [span.name for span in told.spans] == [
        "POST /v1/messages",
        "create deliver",
        "process deliver",
        "send whatsapp_cloud",
    ]
    assert [span.span_id for span in told.spans[2:]] == [span.span_id for span in delivery.counts.spans]
    assert [span.parent_id for span in told.spans] == [None, *[span.span_id for span in told.spans[:3]]]


class Kept:
    """Bad ends that were noted, long enough ago."""

    def __init__(self, delivery: Delivery, *, slow_after: float = 30.0, most: int = 10, wanted: bool = True) -> None:
        seconds = count(0.0, 60.0)
        self.noted = NotedEnds(
            wanted=wanted, slow_after=timedelta(seconds=slow_after), most=most, clock=lambda: next(seconds)
        )
        self.keep = KeepTraces(
            noted=self.noted,
            open_uow=delivery.store.open_tenant_uow,
            snapshots=delivery.snapshots,
            telemetry=delivery.counts,
        )


def a_change(delivery: Delivery, key: MessageKey) -> Change:
    state = delivery.state(key)
    return Change(
        key=key,
        expected_seq=state.seq,
        previous=State.SENDING,
        state=state.state,
        entries=(),
        epoch=1,
        attempts=1,
        checks=0,
        claim_failures=0,
    )


async def test_a_message_that_failed_is_exported_whole_and_once() -> None:
    delivery, key = await delivered(sampled=False, refused=True)
    kept = Kept(delivery)

    kept.noted.note([a_change(delivery, key)])

    assert await kept.keep() == 1
    assert [span.name for span in delivery.counts.spans][-1] == "send whatsapp_cloud"
    assert delivery.counts.spans[-1].error == "131026"
    assert await kept.keep() == 0


async def test_a_sampled_trace_is_not_exported_twice() -> None:
    delivery, key = await delivered(sampled=True, refused=True)
    kept, emitted = Kept(delivery), list(delivery.counts.spans)

    kept.noted.note([a_change(delivery, key)])

    assert await kept.keep() == 0
    assert delivery.counts.spans == emitted


async def test_a_message_that_went_well_and_in_time_is_not_exported() -> None:
    delivery, key = await delivered(sampled=False)
    kept = Kept(delivery)

    kept.noted.note([a_change(delivery, key)])

    assert await kept.keep() == 0


async def test_a_message_that_left_late_is_exported() -> None:
    delivery, key = await delivered(sampled=False)
    kept = Kept(delivery, slow_after=-1.0)

    kept.noted.note([a_change(delivery, key)])

    assert await kept.keep() == 1


async def test_no_more_is_noted_than_can_be_told() -> None:
    delivery, key = await delivered(sampled=False, refused=True)
    kept = Kept(delivery, most=0)

    kept.noted.note([a_change(delivery, key)])

    assert kept.noted.take() == []


async def test_without_a_collector_nothing_is_noted() -> None:
    delivery, key = await delivered(sampled=False, refused=True)
    kept = Kept(delivery, wanted=False)

    kept.noted.note([a_change(delivery, key)])

    assert kept.noted.take() == []
