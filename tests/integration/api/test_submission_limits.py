"""What is a caller told about its limits, and what happens beyond them?"""

from collections.abc import AsyncIterator

import httpx
import pytest

from messaging.entrypoints.api.app import create_app
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings.settings import Settings
from tests.integration.api.answers import problem, violations
from tests.integration.api.callers import Json, Platform, Shop
from tests.integration.api.conftest import started


async def limit(platform: Platform, shop: Shop, limits: Json | None) -> None:
    """In force when this returns."""
    path = f"/admin/v1/tenants/{shop.tenant}"
    changed = await platform.patch(path, {"limits": limits})
    assert changed.status_code == 200, changed.text
    expected = None if limits is None else next(iter(limits.values()), None)
    await shop.post_until(
        "/v1/messages", shop.message(), lambda answer: _policy(expected) in answer.headers["ratelimit-policy"]
    )


def _policy(quota: Json | None) -> str:
    return "q=1500000;w=60" if quota is None else f"q={quota['messages']};w={quota['seconds']}"


def left(answer: httpx.Response) -> dict[str, int]:
    """What each policy leaves."""
    members = (member.split(";") for member in answer.headers["ratelimit"].split(", "))
    return {name.strip('"'): int(remaining.removeprefix("r=")) for name, remaining, _ in members}


@pytest.fixture
async def elsewhere(application: Application, platform: Platform) -> AsyncIterator[Platform]:
    """The same platform behind a second API process, as far as Redis and Postgres can tell."""
    settings = application.settings()
    assert isinstance(settings, Settings)
    async with open_resources(settings) as resources:
        app = create_app(build(settings, resources, worker="other"))
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # as in conftest
        async with started(app), httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            yield Platform(client, platform.key, platform._sandbox)


async def test_every_submission_tells_the_limits_and_what_is_left(shop: Shop) -> None:
    one = await shop.post("/v1/messages", shop.message())
    batch = await shop.post("/v1/messages/batch", {"messages": [shop.message()] * 3})

    assert one.headers["ratelimit-policy"] == batch.headers["ratelimit-policy"] == '"tenant";q=1500000;w=60'
    assert left(one)["tenant"] - left(batch)["tenant"] == 3
    assert "ratelimit" not in (await shop.get("/v1/messages")).headers


async def test_beyond_a_limit_nothing_is_stored_and_the_answer_says_when_to_come_back(
    platform: Platform, shop: Shop
) -> None:
    await limit(platform, shop, {"key": {"messages": 5, "seconds": 600}})
    stored = len((await shop.get("/v1/messages?limit=100")).json()["data"])
    while (answer := await shop.post("/v1/messages", shop.message())).status_code == 202:
        stored += 1

    document = problem(answer, 429, "rate_limited")
    assert "'key' is 5 messages in 600 s" in document["detail"]
    assert 0 < int(answer.headers["retry-after"]) <= 600
    assert '"key";q=5;w=600' in answer.headers["ratelimit-policy"]
    assert left(answer)["key"] == 0
    assert len((await shop.get("/v1/messages?limit=100")).json()["data"]) == stored


async def test_a_batch_that_does_not_fit_is_refused_as_a_whole(platform: Platform) -> None:
    shop = await platform.shop()
    await limit(platform, shop, {"tenant": {"messages": 40, "seconds": 600}})
    room = left(await shop.post("/v1/messages", shop.message()))["tenant"]

    refused = await shop.post("/v1/messages/batch", {"messages": [shop.message()] * (room + 1)})
    never = await shop.post("/v1/messages/batch", {"messages": [shop.message()] * 41})
    fits = await shop.post("/v1/messages/batch", {"messages": [shop.message()] * room})

    assert "again in" in problem(refused, 429, "rate_limited")["detail"]
    assert "Send at most 40 at once." in problem(never, 429, "rate_limited")["detail"]
    assert fits.json()["accepted"] == room
    assert left(fits) == {"tenant": 0}


async def test_what_breaks_a_rule_counts_too(platform: Platform, shop: Shop) -> None:
    before = left(await shop.post("/v1/messages", shop.message()))["tenant"]

    violations(await shop.post("/v1/messages", shop.message(to="nobody")))
    violations(await shop.post("/v1/messages", {"to": 1}))
    nonsense = await shop.post("/v1/messages/batch", {"messages": [{}, 1, shop.message(to="nobody")]})

    assert (nonsense.status_code, left(nonsense)["tenant"]) == (202, before - 5)
    assert left(await shop.post("/v1/messages", shop.message()))["tenant"] == before - 6


async def test_nonsense_beyond_a_limit_is_not_even_judged(platform: Platform) -> None:
    shop = await platform.shop()
    await limit(platform, shop, {"tenant": {"messages": 40, "seconds": 600}})
    room = left(await shop.post("/v1/messages", shop.message()))["tenant"]

    answer = await shop.post(
        "/v1/messages/batch", {"messages": [{}] * (room + 1)}, headers={"Idempotency-Key": "nonsense"}
    )

    problem(answer, 429, "rate_limited")


async def test_an_answer_to_nonsense_is_bounded(quiet_shop: Shop) -> None:
    many = {f"field_{n}": n for n in range(60)}

    batch = await quiet_shop.post("/v1/messages/batch", {"messages": [many] * 1_000})

    items = batch.json()["data"]
    assert [len(item["errors"]) for item in items[:2]] == [20, 20]
    assert len(items) == 1_000
    assert all(item["errors"] for item in items)
    assert sum(len(item["errors"]) for item in items) == 2_000
    assert items[0]["omitted"] == 63 - 20


async def test_two_processes_share_one_limit(platform: Platform, elsewhere: Platform, shop: Shop) -> None:
    there = Shop(elsewhere.client, shop.key, shop.tenant)
    await limit(platform, shop, {"tenant": {"messages": 20, "seconds": 600}})
    await limit(elsewhere, there, {"tenant": {"messages": 20, "seconds": 600}})

    answers = [await caller.post("/v1/messages", shop.message()) for _ in range(20) for caller in (shop, there)]

    accepted = [answer for answer in answers if answer.status_code == 202]
    assert {answer.status_code for answer in answers} == {202, 429}
    assert len(accepted) < 20
    assert answers[-1].status_code == answers[-2].status_code == 429


async def test_limits_are_set_read_and_given_back(platform: Platform) -> None:
    path = f"/admin/v1/tenants/{await platform.tenant()}"
    limits = {
        "tenant": {"messages": 600, "seconds": 60},
        "key": None,
        "channels": {"whatsapp": {"messages": 10, "seconds": 1}},
        "categories": {"marketing": {"messages": 1000, "seconds": 86400}},
    }

    set_to = await platform.patch(path, {"limits": limits})
    renamed = await platform.patch(path, {"name": "Acme Ltd"})
    given_back = await platform.patch(path, {"limits": None})

    assert set_to.json()["limits"] == renamed.json()["limits"] == limits
    assert given_back.json()["limits"] is None
    assert (await platform.get(path)).json()["limits"] is None


@pytest.mark.parametrize(
    ("limits", "pointer"),
    [
        ({"tenant": {"messages": 0, "seconds": 60}}, "/limits/tenant/messages"),
        ({"categories": {"spam": {"messages": 1, "seconds": 1}}}, "/limits/categories/spam"),
        ({"everything": {"messages": 1, "seconds": 1}}, "/limits/everything"),
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused(platform: Platform, limits: Json, pointer: str) -> None:
    path = f"/admin/v1/tenants/{await platform.tenant()}"

    assert list(violations(await platform.patch(path, {"limits": limits}))) == [pointer]
