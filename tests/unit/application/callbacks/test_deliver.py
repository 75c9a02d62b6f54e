"""Callbacks are posted in order, signed, tried again by the schedule, and end in exactly one way."""

import asyncio
import base64
import hashlib
import hmac
from datetime import timedelta

import pytest

from messaging.application.callbacks.delivering import hold_lane
from messaging.application.callbacks.delivering.outgoing import excerpt_context
from messaging.application.ports.callbacks.delivering.exchange import Answered, CallbackRequest, Exchanged, NoAnswer
from messaging.application.ports.callbacks.delivering.targets import EventKey, StoredBodies
from messaging.domain.callbacks.breaker import BreakerState, Health
from messaging.domain.callbacks.endpoint import EndpointStatus
from messaging.domain.callbacks.verdict import End
from messaging.domain.shared.ids import Prefix, typeid
from tests.builders import NOON, TENANT
from tests.callbacks import LANE, a_callback, event_id
from tests.fakes.exchange import an_answer
from tests.unit.application.callbacks.world import BODY, CIPHER, DAY, SECRET, URL, World, callbacks

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
REFUSED = NoAnswer(failure="refused", ms=3)


def posted(world: World) -> list[str]:
    return [request.headers["webhook-id"] for request in world.exchange.posted]


def ids(*sequences: int, key: str = "a") -> list[str]:
    return [typeid(Prefix.EVENT, event_id(key, sequence)) for sequence in sequences]


async def test_callbacks_of_a_subject_are_posted_one_after_another() -> None:
    world = World()
    await world.enqueue(*callbacks(1, 2, 3))

    assert await world.run() == 1

    assert posted(world) == ids(1, 2, 3)
    assert [end.state for end in world.ends] == [End.DELIVERED] * 3
    assert world.store.rows == []
    assert not world.lane.leased


async def test_the_request_is_what_standard_webhooks_says() -> None:
    world = World()
    await world.enqueue(a_callback(1))

    await world.run()

    [request] = world.exchange.posted
    [id] = ids(1)
    headers = dict(request.headers)
    signed = f"{id}.{int(NOON.timestamp())}.".encode() + BODY
    signature = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    assert (request.url, request.body) == (URL, BODY)
    assert headers.pop("traceparent").startswith(f"00-{'a' * 32}-")
    assert headers == {
        "x-key": "k",
        "webhook-id": id,
        "webhook-timestamp": str(int(NOON.timestamp())),
        "webhook-signature": f"v1,{signature}",
        "content-type": "application/json",
        "user-agent": "messaging/0",
        "webhook-attempt": "1",
    }


async def test_every_attempt_is_written_before_its_request() -> None:
    world = World()
    written: list[int] = []

    def answer(request: CallbackRequest) -> Exchanged:
        written.append(len(world.callback_log.started))
        return an_answer(200, b"thanks")

    world.exchange.behaviours[URL] = answer
    await world.enqueue(*callbacks(1, 2))

    await world.run()

    assert written == [1, 2]
    first = world.attempts[0]
    assert (first.outcome, first.http_status, first.failure, first.peer) == ("delivered", 200, None, "192.0.2.1")
    assert first.excerpt is not None
    assert CIPHER.open(excerpt_context(first.id), first.excerpt) == b"thanks"


async def test_a_failure_is_tried_again_by_the_schedule_until_the_window_is_over() -> None:
    world = World()
    world.exchange.behaviours[URL] = an_answer(500)
    await world.enqueue(a_callback(1), a_callback(2))
    waits = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 29_845]

    for number, wait in enumerate(waits, 1):
        await world.run()
        assert len(world.exchange.posted) == number
        world.go_on(wait * SECOND - SECOND)
        assert await world.run() == 0
        world.go_on(SECOND)
    await world.run()

    given_up = world.ends[0]
    assert (given_up.state, given_up.attempts, given_up.last_failure) == (End.EXHAUSTED, 11, "http_500")
    assert [request.headers["webhook-attempt"] for request in world.exchange.posted[:3]] == ["1", "2", "3"]
    # The follower is first of its subject now, and has its one attempt, though its window is over too.
    assert world.store.rows == []
    assert posted(world)[11:] == ids(2)


@pytest.mark.parametrize(
    ("answer", "state", "failure"),
    [
        (an_answer(200, webhook_delivery="abort-message"), End.DISCARDED, "by_receiver"),
        (an_answer(404, webhook_delivery="abort-message"), End.DISCARDED, "by_receiver"),
        (an_answer(204), End.DELIVERED, None),
    ],
)
async def test_the_receiver_decides(answer: Answered, state: End, failure: str | None) -> None:
    world = World()
    world.exchange.behaviours[URL] = answer
    await world.enqueue(a_callback(1))

    await world.run()

    [end] = world.ends
    assert (end.state, end.last_failure) == (state, failure)


async def test_an_endpoint_that_says_it_is_gone_is_disabled_and_what_waits_is_held() -> None:
    world = World()
    world.exchange.behaviours[URL] = an_answer(410)
    await world.enqueue(*callbacks(1, 2), a_callback(1, "b"))
    world.lane.max_in_flight = 1

    await world.run()
    world.lane.status = world.callback_targets.endpoints[LANE].endpoint.status
    await world.run()

    assert world.lane.status is EndpointStatus.DISABLED
    assert len(world.exchange.posted) == 1
    assert [(end.state, end.last_failure) for end in world.ends] == [(End.DISCARDED, "gone")]
    assert [row.held for row in world.store.rows] == [True, True]
    [notice] = world.announced
    assert (notice.type, notice.data["reason"]) == ("endpoint.disabled", "gone")


async def test_what_waits_for_a_deleted_endpoint_is_discarded() -> None:
    world = World()
    await world.enqueue(*callbacks(1, 2))
    world.lane.status = "deleted"

    await world.run()

    assert world.exchange.posted == []
    assert [(end.state, end.last_failure) for end in world.ends] == [(End.DISCARDED, "endpoint_deleted")] * 2


async def test_a_receiver_that_asks_for_a_pause_gets_it_for_everything() -> None:
    world = World(max_in_flight=1)
    world.exchange.behaviours[URL] = an_answer(429, retry_after="60")
    await world.enqueue(a_callback(1), a_callback(1, "b"))

    await world.run()
    world.go_on(59 * SECOND)
    await world.enqueue(a_callback(1, "c"))
    assert await world.run() == 0
    world.go_on(2 * SECOND)
    del world.exchange.behaviours[URL]
    await world.run()

    assert len(world.exchange.posted) == 4
    assert {row.step for row in world.store.rows} == set()
    assert world.lane.health.failures == 0


async def test_a_pause_holds_although_another_exchange_ends_after_it() -> None:
    world = World(max_in_flight=2)
    answers = iter([an_answer(503, retry_after="600"), an_answer(200)])
    world.exchange.behaviours[URL] = lambda request: next(answers)
    await world.enqueue(*(a_callback(1, key) for key in "abc"))

    await world.run()
    world.go_on(HOUR / 12)

    assert await world.run() == 0
    assert len(world.exchange.posted) == 2


async def test_five_failures_open_the_breaker_and_probes_close_it() -> None:
    world = World(max_in_flight=2)
    world.exchange.behaviours[URL] = REFUSED
    await world.enqueue(*(a_callback(1, f"k{n}") for n in range(6)))

    await world.run()
    assert world.breaker == BreakerState.OPEN
    assert world.lane.slow
    assert await world.run(slow=True) == 0
    before = len(world.exchange.posted)
    world.go_on(16 * SECOND)
    await world.run(slow=True)
    assert len(world.exchange.posted) == before + 1
    assert [it.probe for it in world.callback_log.started.values()][-1]
    del world.exchange.behaviours[URL]
    world.go_on(31 * SECOND)
    await world.run(slow=True)
    assert world.breaker == BreakerState.HALF_OPEN
    for _ in range(4):
        world.go_on(30 * SECOND)
        await world.run()

    assert world.breaker == BreakerState.CLOSED
    assert len([end for end in world.ends if end.state is End.DELIVERED]) == 6


async def test_behind_an_open_breaker_callbacks_end_with_a_probe_when_their_window_is_over() -> None:
    world = World()
    world.exchange.behaviours[URL] = REFUSED
    await world.enqueue(*(a_callback(1, f"k{n}") for n in range(20)))
    await world.run()
    world.go_on(DAY + MINUTE)

    before = len(world.exchange.posted)
    await world.run(slow=True)

    probe = typeid(Prefix.CALLBACK_ATTEMPT, list(world.callback_log.started)[-1])
    cited = [end for end in world.ends if end.last_failure == f"probe_failed:{probe}"]
    assert len(world.exchange.posted) == before + 1
    assert len(cited) == 19
    assert len(world.ends) == 20
    assert {end.state for end in world.ends} == {End.EXHAUSTED}


async def test_an_endpoint_that_fails_for_three_days_is_disabled_and_its_tenant_told_before() -> None:
    world = World()
    world.exchange.behaviours[URL] = REFUSED
    for number in range(80):
        await world.enqueue(a_callback(1, f"k{number}"), a_callback(2, f"k{number}"))
        await world.run()
        await world.run(slow=True)
        if world.callback_targets.endpoints[LANE].endpoint.status is EndpointStatus.DISABLED:
            break
        world.go_on(HOUR)

    assert [(it.type, it.data.get("failing_for", it.data.get("reason"))) for it in world.announced] == [
        ("endpoint.failing", "1h"),
        ("endpoint.failing", "24h"),
        ("endpoint.failing", "48h"),
        ("endpoint.disabled", "failing"),
    ]
    assert number == 72


async def test_a_success_after_a_notice_is_told_once() -> None:
    failing = Health(
        breaker=BreakerState.OPEN, failures=9, opened_at=NOON - HOUR, first_failure_at=NOON - HOUR, noticed=1
    )
    world = World(health=failing, slow=True)
    await world.enqueue(*(a_callback(1, key) for key in "ab"))

    await world.run(slow=True)
    world.go_on(5 * SECOND)
    await world.run()

    assert [it.type for it in world.announced] == ["endpoint.recovered"]
    assert len(world.ends) == 2


@pytest.mark.parametrize("missing", ["event", "secret"])
async def test_a_fault_of_ours_is_not_the_endpoints(missing: str) -> None:
    world = World()
    await world.enqueue(a_callback(1))
    key = EventKey(TENANT, event_id("a", 1))
    if missing == "event":
        del world.callback_targets.stored[key]
    else:
        world.callback_targets.stored[key] = StoredBodies(type="message.sent", sealed=b"x" * 60, trace_id=None)

    await world.run()

    [end] = world.ends
    assert end.state is End.DEAD
    assert end.last_failure == {"event": "event_gone", "secret": "undecipherable"}[missing]
    assert world.exchange.posted == []
    assert world.lane.health == Health()


async def test_an_endpoints_rate_is_kept() -> None:
    world = World(max_in_flight=32, rate=2)
    await world.enqueue(*(a_callback(1, f"k{n}") for n in range(10)))

    await world.run()

    assert len(world.exchange.posted) == 2
    assert await world.run() == 0
    world.go_on(SECOND)
    await world.run()
    assert len(world.exchange.posted) == 4


async def test_no_more_is_under_way_than_the_endpoint_allows() -> None:
    world = World(max_in_flight=3)
    started: list[int] = []

    def answer(request: CallbackRequest) -> Exchanged:
        started.append(len(world.callback_log.started) - len(world.callback_log.finished))
        return an_answer(200)

    world.exchange.behaviours[URL] = answer
    await world.enqueue(*(a_callback(1, f"k{n}") for n in range(20)))

    await world.run()

    assert len(world.exchange.posted) == 20
    assert max(started) == 3


async def test_results_outlive_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold_lane, "_AFTER_ERROR", 0.0)
    world = World()

    def answer(request: CallbackRequest) -> Exchanged:
        world.away = True
        return an_answer(200)

    world.exchange.behaviours[URL] = answer
    await world.enqueue(a_callback(1))
    assert await world.deliver(slow=False) == 1
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.ends == []
    world.away = False
    await world.idle()

    assert [end.state for end in world.ends] == [End.DELIVERED]
    assert len(world.exchange.posted) == 1


async def test_a_replay_says_so() -> None:
    world = World()
    await world.enqueue(a_callback(1, replay_of=event_id("r", 1)))

    await world.run()

    assert world.exchange.posted[0].headers["webhook-replay"] == "true"


async def test_a_worker_that_drains_takes_nothing_more() -> None:
    world = World()
    await world.enqueue(*callbacks(1, 2, 3))
    assert await world.deliver(slow=False) == 1

    await world.deliver.drain()

    assert posted(world) == ids(1)
    assert await world.run() == 0
    assert not world.lane.leased
