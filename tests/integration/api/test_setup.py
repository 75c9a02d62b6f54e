"""Can a platform be set up through the API alone: tenants, keys, accounts, senders, rules, templates?"""

import asyncpg
import pytest

from messaging.domain.channels.address import Channel
from messaging.entrypoints.composition.providers import BY_NAME
from tests.integration.api.answers import problem, violations
from tests.integration.api.callers import Platform, Shop, account_body, sender_body, template_body


async def test_a_tenant_is_created_read_and_changed(platform: Platform) -> None:
    tenant = await platform.tenant("Acme")

    renamed = await platform.patch(f"/admin/v1/tenants/{tenant}", {"name": "Acme Ltd"})

    assert renamed.json()["name"] == "Acme Ltd"
    assert (await platform.get(f"/admin/v1/tenants/{tenant}")).json() == renamed.json()
    assert renamed.json() in (await platform.get("/admin/v1/tenants")).json()["data"]


async def test_tenants_are_paged(platform: Platform) -> None:
    made = [await platform.tenant(f"Tenant {number}") for number in range(3)]

    first = (await platform.get("/admin/v1/tenants?limit=2")).json()
    second = (await platform.get(f"/admin/v1/tenants?limit=1&after={first['next_cursor']}")).json()

    assert [tenant["id"] for tenant in first["data"] + second["data"]] == made[::-1]
    assert first["has_more"]


@pytest.mark.parametrize("method, path", [("GET", ""), ("PATCH", ""), ("GET", "/keys"), ("POST", "/keys")])
async def test_an_unknown_tenant_is_a_404(platform: Platform, method: str, path: str) -> None:
    bodies = {"PATCH": {"name": "x"}, "POST": {"name": "x", "mode": "test"}}
    body = {"json": bodies[method]} if method in bodies else {}

    for id in ("ten_01kaf8v3e5f8k9m2n4p6q8r0st", "nonsense"):
        problem(await platform.request(method, f"/admin/v1/tenants/{id}{path}", **body), 404, "not_found")


async def test_a_keys_secret_is_shown_once_and_stored_nowhere(platform: Platform, stored_in: str) -> None:
    tenant = await platform.tenant()
    headers = {"Idempotency-Key": "issue-1"}
    body = {"name": "backend", "mode": "live"}

    issued = await platform.post(f"/admin/v1/tenants/{tenant}/keys", body, headers=headers)
    replayed = await platform.post(f"/admin/v1/tenants/{tenant}/keys", body, headers=headers)

    key = issued.json()["key"]
    assert key.startswith(issued.json()["hint"])
    assert replayed.content == issued.content
    (listed,) = (await platform.get(f"/admin/v1/tenants/{tenant}/keys")).json()["data"]
    assert "key" not in listed
    dump = await everything_stored(stored_in)
    assert issued.json()["id"] in dump or listed["hint"].removeprefix("mpk_live_") in dump
    assert key.rpartition("_")[2] not in dump


async def test_whose_key_it_is_can_be_asked(platform: Platform) -> None:
    shop = await platform.bare_shop("live")

    told = (await shop.get("/v1/key")).json()

    assert (told["tenant_id"], told["tenant_name"], told["mode"]) == (shop.tenant, "Acme", "live")


async def test_credentials_go_in_and_never_come_out(platform: Platform, stored_in: str) -> None:
    shop = await platform.bare_shop()

    connected = await shop.post(
        "/v1/provider-accounts",
        account_body(access_token="EAAG-token-canary", app_secrets=["canary-one", "canary-two"]),
    )
    account = connected.json()
    rotated = await shop.patch(f"/v1/provider-accounts/{account['id']}", {"app_secrets": ["canary-three"]})
    read = await shop.get(f"/v1/provider-accounts/{account['id']}")
    listed = await shop.get("/v1/provider-accounts")

    assert connected.status_code == 201
    assert account["webhook_url"].startswith("https://hooks.example.com/webhooks/whatsapp_cloud/")
    assert rotated.json() == read.json() == account
    assert listed.json()["data"] == [account]
    for text in (connected.text, rotated.text, read.text, listed.text, await everything_stored(stored_in)):
        assert "canary" not in text


async def test_an_account_needs_a_secret_to_trust_webhooks_with(platform: Platform) -> None:
    shop = await platform.bare_shop()

    response = await shop.post("/v1/provider-accounts", account_body(app_secrets=[]))

    assert violations(response) == {"/app_secrets": "invalid_value"}


async def test_an_unknown_provider_is_refused_with_the_list_of_the_known(platform: Platform) -> None:
    shop = await platform.bare_shop()

    response = await shop.post("/v1/provider-accounts", account_body(provider="pigeon_post", name=""))

    assert violations(response) == {"/provider": "invalid_value", "/name": "invalid_value"}
    assert all(name in response.text for name in BY_NAME)


async def test_an_unknown_channel_is_refused_with_the_list_of_the_known(shop: Shop) -> None:
    sender = await shop.post("/v1/senders", sender_body(shop.account, channel="fax"))
    message = await shop.post("/v1/messages", {"to": "+14155550100", "channel": "fax", "content": {"type": "text"}})

    for response in (sender, message):
        assert violations(response)["/channel"] == "invalid_value"
        assert all(channel in response.text for channel in Channel)


async def test_a_credential_of_another_provider_is_refused_with_the_list_of_the_right_ones(platform: Platform) -> None:
    shop = await platform.bare_shop()
    account = (await shop.post("/v1/provider-accounts", account_body())).json()["id"]

    strange = await shop.patch(f"/v1/provider-accounts/{account}", {"loft": "7"})
    empty = await shop.patch(f"/v1/provider-accounts/{account}", {"app_secrets": []})

    assert violations(strange) == {"/loft": "unknown_field"}
    assert violations(empty) == {"/app_secrets": "invalid_value"}


async def test_a_sender_is_added_once_and_can_be_changed(platform: Platform) -> None:
    shop = await platform.bare_shop()
    account = (await shop.post("/v1/provider-accounts", account_body())).json()["id"]

    added = await shop.post("/v1/senders", sender_body(account))
    twice = await shop.post("/v1/senders", sender_body(account))
    paused = await shop.patch(f"/v1/senders/{added.json()['id']}", {"status": "paused", "per_second": 10})

    assert added.json()["mode"] == "test"
    problem(twice, 409, "already_exists")
    assert paused.json() == added.json() | {"status": "paused", "per_second": 10}
    assert (await shop.get(f"/v1/senders/{added.json()['id']}")).json() == paused.json()
    assert (await shop.get("/v1/senders")).json()["data"] == [paused.json()]


async def test_a_senders_address_and_account_are_checked_together(platform: Platform) -> None:
    shop = await platform.bare_shop()

    response = await shop.post("/v1/senders", sender_body("acc_nonsense", address="4155550100"))

    assert violations(response) == {"/account_id": "account_unknown", "/address": "country_code_missing"}


async def test_routing_rules_are_replaced_as_a_whole_and_per_mode(platform: Platform, shop: Shop) -> None:
    rules = {"rules": [{"channel": "whatsapp", "sender_id": shop.sender, "prefixes": ["+55", "+351"]}]}

    stored = (await shop.put("/v1/routing-rules", rules)).json()
    live = await platform.bare_shop("live", tenant=shop.tenant)
    seen_by_live = (await live.put("/v1/routing-rules", {"rules": []})).json()

    assert [(rule["sender_id"], rule["prefixes"]) for rule in stored["data"]] == [(shop.sender, ["+55", "+351"])]
    assert seen_by_live == {"data": []}
    kept = (await shop.get("/v1/routing-rules")).json()["data"]
    assert [rule["prefixes"] for rule in kept] == [["+55", "+351"]]


async def test_a_template_is_reviewed_by_the_provider(shop: Shop) -> None:
    read = (await shop.get(f"/v1/templates/{shop.template}")).json()
    by_name = (await shop.get("/v1/templates?name=order_update&status=approved")).json()["data"]
    by_other = (await shop.get("/v1/templates?status=rejected")).json()["data"]

    assert read["status"] == "approved"
    assert by_name == [read]
    assert by_other == []


async def test_a_template_deleted_at_the_provider_is_marked_so(platform: Platform, shop: Shop) -> None:
    sync = f"/v1/provider-accounts/{shop.account}/sync-templates"
    unchanged = (await shop.post(sync)).json()

    await platform.at_provider("DELETE", "/v25.0/{waba}/message_templates?name=order_update", shop.number)
    removed = (await shop.post(sync)).json()
    again = (await shop.post(sync)).json()

    assert unchanged == {"added": 0, "changed": 0, "removed": 0, "unchanged": 1}
    assert removed == {"added": 0, "changed": 0, "removed": 1, "unchanged": 0}
    assert again == {"added": 0, "changed": 0, "removed": 0, "unchanged": 0}
    assert (await shop.get(f"/v1/templates/{shop.template}")).json()["status"] == "deleted"


async def test_a_template_exists_once_per_name_and_language(shop: Shop) -> None:
    problem(await shop.post("/v1/templates", template_body(shop.account)), 409, "already_exists")


async def test_a_template_that_could_not_pass_review_is_not_handed_in(shop: Shop) -> None:
    body = template_body("acc_nonsense", name="Order Update!", components={"body": "Hello {{1}} {{3}}"})

    found = violations(await shop.post("/v1/templates", body))

    assert found["/account_id"] == "account_unknown"
    assert any(pointer.startswith("/name") for pointer in found)
    assert len(found) >= 3


async def test_what_the_provider_refuses_is_told_with_its_reason(platform: Platform) -> None:
    shop = await platform.bare_shop()
    account = (await shop.post("/v1/provider-accounts", account_body(external_id="999999999"))).json()["id"]

    created = await shop.post("/v1/templates", template_body(account))
    synced = await shop.post(f"/v1/provider-accounts/{account}/sync-templates")

    problem(created, 422, "provider_refused")
    problem(synced, 422, "provider_refused")
    assert (await shop.get("/v1/templates")).json()["data"] == []


async def test_a_repeated_change_has_the_effect_of_one(platform: Platform) -> None:
    shop = await platform.bare_shop()
    headers = {"Idempotency-Key": "connect-1"}

    first = await shop.post("/v1/provider-accounts", account_body(1), headers=headers)
    again = await shop.post("/v1/provider-accounts", account_body(1), headers=headers)
    other = await shop.post("/v1/provider-accounts", account_body(2), headers=headers)

    assert again.content == first.content
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    problem(other, 422, "idempotency_key_reused")
    assert len((await shop.get("/v1/provider-accounts")).json()["data"]) == 1


async def test_a_request_that_failed_may_be_tried_again_with_its_key(platform: Platform) -> None:
    shop = await platform.bare_shop()
    account = (await shop.post("/v1/provider-accounts", account_body())).json()["id"]
    headers = {"Idempotency-Key": "sender-1"}

    refused = await shop.post("/v1/senders", sender_body(account, address="4155550100"), headers=headers)
    mended = await shop.post("/v1/senders", sender_body(account), headers=headers)

    assert (refused.status_code, mended.status_code) == (422, 201)


async def everything_stored(stored_in: str) -> str:
    """Every row of every table as text."""
    connection = await asyncpg.connect(stored_in)
    try:
        tables = await connection.fetch(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        rows = [await connection.fetch(f"SELECT t::text AS row FROM {table['name']} t") for table in tables]
        raw = [row["row"] for found in rows for row in found]
        # bytea shows as hex.
        return "\n".join(raw + [bytes.fromhex(part).decode("latin-1") for row in raw for part in _hex_parts(row)])
    finally:
        await connection.close()


def _hex_parts(row: str) -> list[str]:
    import re

    return [part if len(part) % 2 == 0 else part[:-1] for part in re.findall(r"\\\\?x([0-9a-f]{8,})", row)]
