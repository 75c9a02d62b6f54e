"""A tenant sees what became of its callbacks, pauses an endpoint, and says what becomes of what was held."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.application import jobs
from messaging.application.callbacks.watching.queries import FindDeliveries, FindEndpointHealth, ListAttempts
from messaging.application.callbacks.watching.replay import ReplayEvent
from messaging.application.callbacks.watching.switch import EnableEndpoint, PauseEndpoint, ReleaseCallbacks
from messaging.application.ports.outbox import Done
from messaging.domain.callbacks.endpoint import EndpointStatus
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import CallbackEndpointId, CallbackEventId
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.composition.clock import SystemClock, new_id
from tests.builders import ENDPOINT, TENANT, a_claimed_job, a_principal
from tests.fakes.exchange import an_answer
from tests.integration.callbacks.telling import RING, Telling
from tests.integration.callbacks.test_delivery import URL, Delivering

NOBODY = CallbackEndpointId(UUID(int=1))


@pytest.fixture
async def delivering(telling: Telling) -> Delivering:
    made = Delivering(telling)
    await made.add_endpoint()
    return made


class Watching:
    """The tenant's use cases, and the job that they ask for."""

    def __init__(self, delivering: Delivering) -> None:
        open_uow = delivering.telling.open
        self.delivering = delivering
        self.attempts = ListAttempts(open_uow=open_uow, snapshots=delivering.telling.snapshots, key_ring=RING)
        self.deliveries = FindDeliveries(open_uow=open_uow)
        self.health = FindEndpointHealth(open_uow=open_uow)
        self.pause = PauseEndpoint(open_uow=open_uow)
        self.enable = EnableEndpoint(open_uow=open_uow, clock=SystemClock())

    async def resume(self, *, was: EndpointStatus = EndpointStatus.PAUSED, **how: Any) -> None:
        choice: dict[str, Any] = {"since": None, "everything": False} | how
        await self.enable(a_principal(), ENDPOINT, was=was, **choice)
        [row] = await self.delivering.telling.fetch("DELETE FROM jobs RETURNING payload::text, kind")
        job = jobs.decode(row["payload"])
        assert isinstance(job, jobs.ReleaseCallbacks)
        release = ReleaseCallbacks(open_uow=self.delivering.telling.system)
        assert await release(job, a_claimed_job(tenant_id=TENANT, mode=Mode.LIVE)) == Done()

    async def states(self) -> list[str]:
        events = await self.delivering.telling.fetch("SELECT id FROM callback_events ORDER BY id")
        found = [await self.deliveries(a_principal(), CallbackEventId(row["id"])) for row in events]
        return [it.state for deliveries in found for it in deliveries.data]


@pytest.fixture
async def watching(delivering: Delivering) -> Watching:
    return Watching(delivering)


async def test_every_attempt_is_shown_with_what_the_endpoint_answered(watching: Watching) -> None:
    watching.delivering.exchange.behaviours[URL] = an_answer(503, b"busy \xff")
    await watching.delivering.announce()
    await watching.delivering.run()

    page = await watching.attempts(a_principal(), ENDPOINT, before=None, limit=10)

    [attempt] = page.items
    assert (attempt.outcome, attempt.http_status, attempt.failure, attempt.attempt) == ("failed", 503, "http_503", 1)
    assert attempt.response_excerpt == "busy \ufffd"
    assert attempt.url_host == "hooks.example"
    assert page.next_after is None
    assert await watching.states() == ["due", "waiting", "waiting"]
    health = await watching.health(a_principal(), ENDPOINT)
    assert (health.breaker, health.consecutive_failures, health.due, health.waiting, health.held) == (
        "closed",
        1,
        0,
        3,
        0,
    )
    assert health.failing_since is not None
    assert health.next_attempt_at is not None


async def test_a_paused_endpoint_gets_nothing_and_everything_when_it_is_resumed(watching: Watching) -> None:
    await watching.delivering.announce()
    shown = await watching.pause(a_principal(), ENDPOINT)
    assert shown.status == "paused"

    await watching.delivering.run()
    await watching.delivering.announce()
    await watching.delivering.run()
    assert watching.delivering.exchange.posted == []
    assert await watching.states() == ["held"] * 6

    await watching.resume(everything=True)
    await watching.delivering.run()
    assert await watching.states() == ["delivered"] * 6
    assert len(watching.delivering.exchange.posted) == 6


async def test_what_was_held_may_be_left_out_or_posted_from_an_instant_on(watching: Watching) -> None:
    await watching.pause(a_principal(), ENDPOINT)
    await watching.delivering.announce()
    await watching.delivering.pass_time(timedelta(hours=2))
    await watching.delivering.announce()

    await watching.resume(since=datetime.now(UTC) - timedelta(hours=1))
    await watching.delivering.run()

    assert await watching.states() == ["discarded"] * 3 + ["delivered"] * 3
    await watching.pause(a_principal(), ENDPOINT)
    await watching.delivering.announce()
    await watching.resume()
    await watching.delivering.run()
    assert (await watching.states())[6:] == ["discarded"] * 3
    assert ("discarded", "skipped") in await watching.delivering.ends()


async def test_an_endpoint_that_was_disabled_begins_with_a_closed_breaker(watching: Watching) -> None:
    watching.delivering.exchange.behaviours[URL] = an_answer(410)
    await watching.delivering.announce()
    await watching.delivering.run()
    with pytest.raises(DomainError, match="not paused"):
        await watching.enable(a_principal(), ENDPOINT, was=EndpointStatus.PAUSED, since=None, everything=True)
    with pytest.raises(DomainError, match="nothing is posted to it anyway"):
        await watching.pause(a_principal(), ENDPOINT)

    del watching.delivering.exchange.behaviours[URL]
    await watching.resume(was=EndpointStatus.DISABLED, everything=True)
    await watching.delivering.run()

    assert await watching.states() == ["discarded", "delivered", "delivered"]
    assert (await watching.health(a_principal(), ENDPOINT)).breaker == "closed"


async def test_what_is_not_there_is_not_found(watching: Watching) -> None:
    async def none(asked: Any) -> None:
        with pytest.raises(DomainError) as refused:
            await asked
        assert refused.value.code == "not_found"

    await none(watching.attempts(a_principal(), NOBODY, before=None, limit=1))
    await none(watching.health(a_principal(), NOBODY))
    await none(watching.health(a_principal(mode=Mode.TEST), ENDPOINT))
    await none(watching.pause(a_principal(), NOBODY))
    await none(watching.deliveries(a_principal(), CallbackEventId(NOBODY)))


async def test_an_event_can_be_posted_once_more_with_the_same_id_and_body(watching: Watching) -> None:
    await watching.delivering.announce()
    await watching.delivering.run()
    first = watching.delivering.exchange.posted[0]
    [row, *_] = await watching.delivering.telling.fetch("SELECT id FROM callback_events ORDER BY id")
    replay = ReplayEvent(open_uow=watching.delivering.telling.open, clock=SystemClock(), new_id=new_id)

    await replay(a_principal(), CallbackEventId(row["id"]), ENDPOINT)
    await watching.delivering.run()

    again = watching.delivering.exchange.posted[-1]
    assert len(watching.delivering.exchange.posted) == 4
    assert (again.headers["webhook-id"], again.body) == (first.headers["webhook-id"], first.body)
    assert again.headers["webhook-replay"] == "true"
    assert "webhook-replay" not in first.headers
    await watching.pause(a_principal(), ENDPOINT)
    with pytest.raises(DomainError, match="not enabled"):
        await replay(a_principal(), CallbackEventId(row["id"]), ENDPOINT)
    with pytest.raises(DomainError) as refused:
        await replay(a_principal(mode=Mode.TEST), CallbackEventId(row["id"]), ENDPOINT)
    assert refused.value.code == "not_found"
