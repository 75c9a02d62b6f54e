"""An account at Twilio is connected, checked and given senders through the API, as docs/connect-twilio.md says."""

import itertools
from typing import Any

import httpx
import pytest

from tests.integration.api.answers import violations
from tests.integration.api.callers import Platform, Shop

NUMBER, SERVICE = "+15017250604", "MG" + "5" * 32
_accounts = itertools.count(1)

Json = dict[str, Any]


@pytest.fixture
async def shop(platform: Platform) -> Shop:
    return await platform.bare_shop("live")


@pytest.fixture
async def account(sandbox_url: str) -> Json:
    """An account at Twilio, as the body that connects it."""
    sid = f"AC{next(_accounts):032x}"
    joined = {
        "sid": sid,
        "auth_token": "canary-token",
        "numbers": [{"phone_number": NUMBER}],
        "services": [{"sid": SERVICE, "senders": [NUMBER]}],
    }
    async with httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as sandbox:
        assert (await sandbox.post("/_control/twilio/accounts", json=joined)).is_success
    return {"provider": "twilio", "name": "Acme SMS", "external_id": sid, "auth_tokens": ["canary-token"]}


async def test_an_account_is_connected_and_its_secrets_never_come_out(shop: Shop, account: Json) -> None:
    checked = await shop.post(
        "/v1/provider-accounts/verify", {name: value for name, value in account.items() if name != "name"}
    )
    connected = await shop.post("/v1/provider-accounts", account)
    rotated = await shop.patch(
        f"/v1/provider-accounts/{connected.json()['id']}", {"auth_tokens": ["canary-token", "another"]}
    )

    assert checked.json()["ok"], checked.text
    assert [number["external_id"] for number in checked.json()["numbers"]] == [NUMBER, SERVICE]
    assert connected.status_code == 201, connected.text
    assert connected.json()["webhook_url"].startswith("https://hooks.example.com/webhooks/twilio/")
    assert rotated.status_code == 200, rotated.text
    assert all("canary" not in answer.text for answer in (checked, connected, rotated))


async def test_all_that_is_wrong_with_an_account_is_told_and_nothing_stored(shop: Shop, account: Json) -> None:
    wrong = await shop.post("/v1/provider-accounts", account | {"auth_tokens": ["wrong"]})
    half = await shop.post("/v1/provider-accounts", account | {"api_key_sid": "SK" + "7" * 32})
    strange = await shop.post("/v1/provider-accounts", account | {"external_id": "AC1", "access_token": "EAAG"})

    assert violations(wrong) == {"/external_id": "account_not_visible"}
    assert violations(half) == {"/api_key_secret": "missing_field"}
    assert "/access_token" in violations(strange)
    assert (await shop.get("/v1/provider-accounts")).json()["data"] == []


async def test_numbers_services_and_names_become_senders(shop: Shop, account: Json) -> None:
    id = (await shop.post("/v1/provider-accounts", account)).json()["id"]

    def sender(external_id: str, address: str, **more: Any) -> Json:
        named = {"account_id": id, "channel": "sms", "external_id": external_id, "address": address, "name": "Acme"}
        return named | {"per_second": 1} | more

    answers = [
        await shop.post("/v1/senders", sender(NUMBER, NUMBER)),
        await shop.post("/v1/senders", sender(SERVICE, NUMBER)),
        await shop.post("/v1/senders", sender("Acme", "Acme", verify=False)),
    ]
    unknown = await shop.post("/v1/senders", sender("+15017259999", "+15017259999"))
    malformed = await shop.post("/v1/senders", sender("../Calls", NUMBER))

    assert [answer.status_code for answer in answers] == [201] * 3, [answer.text for answer in answers]
    assert violations(unknown) == {"/external_id": "number_unknown"}
    assert violations(malformed) == {"/external_id": "provider_id_invalid"}


async def test_inbound_messages_are_led_to_the_accounts_webhook_url(
    shop: Shop, account: Json, sandbox_url: str
) -> None:
    connected = (await shop.post("/v1/provider-accounts", account)).json()

    subscribed = await shop.post(f"/v1/provider-accounts/{connected['id']}/subscribe", {"override": False})

    assert subscribed.status_code == 200, subscribed.text
    async with httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as sandbox:
        listed = (await sandbox.get("/_control/twilio/accounts")).json()["data"]
    (mine,) = [each for each in listed if each["sid"] == account["external_id"]]
    assert mine["numbers"][0]["sms_url"] == connected["webhook_url"]
