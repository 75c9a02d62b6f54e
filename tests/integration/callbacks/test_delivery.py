"""Events reach a tenant's endpoint from a real database: in order, logged before they leave, held where they must."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.adapters.postgres.callbacks.delivering.depths import PostgresCallbackVitals
from messaging.application.callbacks.delivering.capacity import Capacity
from messaging.application.callbacks.delivering.claim import LEASE, ClaimCallbacks
from messaging.application.callbacks.delivering.deliver import DeliverCallbacks
from messaging.application.callbacks.delivering.drop_old import DropOldHeld
from messaging.application.callbacks.delivering.measure import MeasureCallbacks
from messaging.application.callbacks.delivering.post import PostCallback
from messaging.application.callbacks.delivering.start_attempts import StartAttempts
from messaging.application.callbacks.endpoints.sealing import seal_headers, seal_secret, seal_url
from messaging.application.callbacks.settling.recorded import Recorded
from messaging.application.callbacks.settling.settle import SettleLanes
from messaging.application.ports.callbacks.delivering.exchange import CallbackRequest, NoAnswer
from messaging.domain.callbacks.endpoint import CallbackSecret
from messaging.domain.shared.ids import CallbackEndpointId, CallbackSecretId, Prefix, typeid
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.composition.clock import SystemClock, new_id
from tests.builders import ENDPOINT, NOON, TENANT
from tests.fakes.exchange import FakeExchange, an_answer
from tests.fakes.telemetry import Counts
from tests.integration.callbacks.telling import CIPHER, RING, Telling

URL = "https://hooks.example/m"
OTHER = CallbackEndpointId(UUID("019df2d9-4c00-7000-8000-000000000079"))


class Delivering:
    """Workers of one tenant's endpoint, which really signs."""

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.exchange = FakeExchange()
        self.worker = self.a_worker()

    def a_worker(self) -> DeliverCallbacks:
        start = StartAttempts(new_id=new_id)
        return DeliverCallbacks(
            claim=ClaimCallbacks(open_uow=self.telling.system, start=start),
            post=PostCallback(
                exchange=self.exchange,
                snapshots=self.telling.snapshots,
                key_ring=RING,
                clock=SystemClock(),
                telemetry=self.telling.telemetry,
                agent="messaging/0",
            ),
            settle=SettleLanes(open_uow=self.telling.system, start=start, recorded=Recorded(self.telling.telemetry)),
        )

    async def add_endpoint(self, id: CallbackEndpointId = ENDPOINT, **changes: Any) -> None:
        sealed = {"url_encrypted": seal_url(CIPHER, id, URL), "headers_encrypted": seal_headers(CIPHER, id, {"x": "y"})}
        await self.telling.add_endpoint(id=id, **(sealed | changes))
        secret_id = CallbackSecretId(UUID(int=5))
        secret = CallbackSecret(
            endpoint_id=id,
            id=secret_id,
            secret_encrypted=seal_secret(CIPHER, id, secret_id, b"k" * 32),
            created_at=NOON,
        )
        async with self.telling.open(TENANT, Mode.LIVE) as uow:
            await uow.callback_secrets.add(secret)
            await uow.commit()

    async def announce(self, messages: int = 1) -> None:
        """Events of so many messages, three of each."""
        for key in await self.telling.accept(messages):
            await self.telling.deliver(key)
        await self.telling.until_nothing_waits()

    async def run(self, *, slow: bool = False) -> None:
        """Until nothing is due."""
        async with asyncio.timeout(60):
            while await self.worker(slow=slow) or self.worker.under_way:
                await asyncio.sleep(0.005)

    async def pass_time(self, by: timedelta) -> None:
        for table, columns in (
            ("callback_queue", ("due_at", "window_ends_at", "created_at")),
            ("callback_lanes", ("due_at", "not_before", "opened_at", "first_failure_at", "last_success_at")),
            ("callback_attempts", ("started_at",)),
        ):
            moved = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
            await self.telling.fetch(f"UPDATE {table} SET {moved}", by)

    async def ends(self) -> list[tuple[str, str | None]]:
        rows = await self.telling.fetch("SELECT state, last_failure FROM callback_ends ORDER BY event_id")
        return [(row["state"], row["last_failure"]) for row in rows]


@pytest.fixture
async def delivering(telling: Telling) -> Delivering:
    return Delivering(telling)


async def test_events_of_messages_are_delivered_in_order_and_logged(delivering: Delivering) -> None:
    await delivering.add_endpoint()
    await delivering.announce(messages=5)

    await delivering.run()

    seen: dict[str, list[int]] = {}
    for request in delivering.exchange.posted:
        data = told(request)["data"]
        seen.setdefault(data["message"]["id"], []).append(data["sequence"])
    assert len(seen) == 5
    assert all(sequences == sorted(sequences) and len(sequences) == 3 for sequences in seen.values())
    assert await delivering.ends() == [("delivered", None)] * 15
    attempts = await delivering.telling.fetch("SELECT * FROM callback_attempts")
    assert {(it["outcome"], it["http_status"], it["n"], it["url_host"]) for it in attempts} == {
        ("delivered", 200, 1, "hooks.example")
    }
    assert all(it["started_at"] <= it["finished_at"] for it in attempts)
    [lane] = await delivering.telling.fetch("SELECT * FROM callback_lanes")
    assert not lane["leased"]
    assert await delivering.telling.fetch("SELECT * FROM callback_queue") == []


async def test_a_worker_that_dies_costs_one_more_attempt_of_what_it_had(delivering: Delivering) -> None:
    await delivering.add_endpoint()
    await delivering.announce()
    claim = ClaimCallbacks(open_uow=delivering.telling.system, start=StartAttempts(new_id=new_id))
    _, [lost] = await claim(Capacity(10), slow=False)

    await delivering.run()
    assert delivering.exchange.posted == []
    await delivering.pass_time(LEASE + timedelta(seconds=1))
    await delivering.run()

    [callback] = lost.callbacks
    first = typeid(Prefix.EVENT, callback.head.callback.event_id)
    posted = [request.headers["webhook-id"] for request in delivering.exchange.posted]
    assert posted[0] == first
    assert len(posted) == len(set(posted)) == 3
    attempts = await delivering.telling.fetch("SELECT id, outcome FROM callback_attempts ORDER BY id")
    assert [it["outcome"] for it in attempts] == [None, "delivered", "delivered", "delivered"]
    assert attempts[0]["id"] == callback.attempt_id


async def test_an_endpoint_that_is_gone_is_disabled_and_the_others_hear_of_it(delivering: Delivering) -> None:
    await delivering.add_endpoint(event_types=("message.*",), max_in_flight=1)
    await delivering.add_endpoint(OTHER, event_types=("endpoint.*",))
    delivering.exchange.behaviours[URL] = lambda request: an_answer(
        410 if told(request)["type"].startswith("message.") else 200
    )
    await delivering.announce(messages=2)

    await delivering.run()
    await delivering.telling.until_nothing_waits()
    await delivering.run()

    notice = told(delivering.exchange.posted[-1])
    assert (notice["type"], notice["data"]["endpoint"]["reason"]) == ("endpoint.disabled", "gone")
    assert len(delivering.exchange.posted) == 2
    [row] = await delivering.telling.fetch("SELECT * FROM callback_endpoints WHERE id = $1", ENDPOINT)
    assert (row["status"], row["disabled_reason"]) == ("disabled", "gone")
    rows = await delivering.telling.fetch("SELECT held, head FROM callback_queue")
    assert [(it["held"], it["head"]) for it in rows] == [(True, False)] * 5
    depths = await PostgresCallbackVitals(delivering.telling.engines.system).depths()
    assert (depths.held, depths.due, depths.lanes["closed"]) == (5, 0, 2)
    counts = Counts()
    await MeasureCallbacks(vitals=PostgresCallbackVitals(delivering.telling.engines.system), telemetry=counts)()
    assert counts.gauges["callback_queue{state=held}"] == 5
    await delivering.pass_time(timedelta(days=31))
    assert await DropOldHeld(open_uow=delivering.telling.system)() == 5
    assert (await delivering.ends()).count(("discarded", "held_too_long")) == 5


async def test_a_failing_endpoint_is_probed_told_of_and_disabled_after_three_days(delivering: Delivering) -> None:
    await delivering.add_endpoint(event_types=("message.*",))
    await delivering.add_endpoint(OTHER, event_types=("endpoint.*",))
    delivering.exchange.behaviours[URL] = lambda request: (
        NoAnswer(failure="refused", ms=1) if told(request)["type"].startswith("message.") else an_answer(200)
    )
    await delivering.announce(messages=8)
    await delivering.run()
    [lane] = await delivering.telling.fetch("SELECT * FROM callback_lanes WHERE endpoint_id = $1", ENDPOINT)
    assert (lane["breaker"], lane["in_slow_pool"]) == ("open", True)

    for _ in range(30):
        await delivering.announce()
        await delivering.pass_time(timedelta(hours=3))
        await delivering.run(slow=True)
        await delivering.telling.until_nothing_waits()
        await delivering.run()
        [row] = await delivering.telling.fetch("SELECT status FROM callback_endpoints WHERE id = $1", ENDPOINT)
        if row["status"] == "disabled":
            break

    notices = [told(it) for it in delivering.exchange.posted if told(it)["type"].startswith("endpoint.")]
    assert [it["data"]["endpoint"].get("failing_for", it["type"]) for it in notices] == [
        *("1h", "24h", "48h"),
        "endpoint.disabled",
    ]
    ends = await delivering.ends()
    assert ("exhausted", "refused") in ends or any("probe_failed" in str(failure) for _, failure in ends)


def told(request: CallbackRequest) -> Any:
    return json.loads(request.body)
