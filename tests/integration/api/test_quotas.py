"""What a tenant may configure and try: numbers, changes in a minute, wrong keys; in an API with small settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from msgspec.structs import replace

from messaging.entrypoints.api.app import create_app
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from tests.integration.api.answers import problem
from tests.integration.api.callers import Platform, account_body, sender_body

WRONG = "mpk_test_aaaaaaaaaaaa_00000000000000000000000000000000000000"


@pytest.fixture
async def narrow(application: Application, platform: Platform) -> AsyncIterator[Platform]:
    """The same platform through another process, whose settings allow little."""
    settings = replace(
        application.settings(),
        tenant_accounts=1,
        tenant_senders=2,
        tenant_keys=2,
        tenant_changes_per_minute=12,
        failed_keys_per_minute=3,
    )
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_resources(settings))
        app = create_app(build(settings, resources, worker="narrow"))
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Litestar's scopes are stricter than httpx's
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://narrow.test"))
        yield Platform(client, platform.key, client)


async def test_a_tenant_has_so_many_accounts_senders_and_keys_in_a_mode(narrow: Platform) -> None:
    shop = await narrow.bare_shop("test")
    live = await narrow.bare_shop("live", shop.tenant)
    account = (await shop.post("/v1/provider-accounts", account_body(1))).json()["id"]

    problem(await shop.post("/v1/provider-accounts", account_body(2)), 409, "quota_exceeded")
    assert (await live.post("/v1/provider-accounts", account_body(2))).status_code == 201
    added = [await shop.post("/v1/senders", sender_body(account, number)) for number in range(3)]
    assert [answer.status_code for answer in added] == [201, 201, 409]
    assert "2 senders" in problem(added[-1], 409, "quota_exceeded")["detail"]
    keys = f"/admin/v1/tenants/{shop.tenant}/keys"
    problem(await narrow.post(keys, {"name": "third", "mode": "test"}), 409, "quota_exceeded")
    (_, first) = (await narrow.get(keys)).json()["data"]
    await narrow.post(f"{keys}/{first['id']}/revoke")
    assert (await narrow.post(keys, {"name": "third", "mode": "test"})).status_code == 201


async def test_a_tenant_changes_its_configuration_so_often_in_a_minute(narrow: Platform) -> None:
    shop, other = await narrow.bare_shop(), await narrow.bare_shop()
    replaced = [await shop.put("/v1/routing-rules", {"rules": []}) for _ in range(14)]

    assert {answer.status_code for answer in replaced} == {200, 429}
    assert sum(answer.status_code == 200 for answer in replaced) == 12
    problem(replaced[-1], 429, "changes_limited")
    assert 0 < int(replaced[-1].headers["retry-after"]) <= 60
    assert (await shop.get("/v1/routing-rules")).status_code == 200
    problem(await shop.post("/v1/messages/check", {}), 422, "validation_failed")
    assert (await other.put("/v1/routing-rules", {"rules": []})).status_code == 200


@pytest.mark.parametrize("path", ["/v1/key", "/v1/messages", "/admin/v1/tenants"])
async def test_wrong_keys_are_turned_away_while_keys_in_use_pass(narrow: Platform, path: str) -> None:
    shop = await narrow.bare_shop()
    assert (await shop.get("/v1/key")).status_code == 200
    method = "POST" if path == "/v1/messages" else "GET"
    tries = [await narrow.client.request(method, path, headers={"Authorization": f"Bearer {WRONG}"}) for _ in range(6)]
    keyless = await narrow.client.request("GET", "/v1/key")

    assert [answer.status_code for answer in tries[:4]] == [401, 401, 401, 429]
    problem(tries[-1], 429, "keys_throttled")
    assert int(tries[-1].headers["retry-after"]) >= 1
    assert (await shop.get("/v1/key")).status_code == 200
    assert (await narrow.get("/admin/v1/tenants")).status_code == 200
    assert keyless.status_code == 401
