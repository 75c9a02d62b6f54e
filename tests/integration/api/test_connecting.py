"""A live account is asked for at the provider before it is stored: what is wrong comes back as violations."""

from typing import Any

import pytest

from tests.integration.api.answers import problem, violations
from tests.integration.api.callers import Platform, Shop, account_body, phone_id, sender_body

ACCOUNTS = "/v1/provider-accounts"


@pytest.fixture
async def live(platform: Platform) -> Shop:
    """A tenant with a live key, whose business exists at the provider and is not connected."""
    shop = await platform.bare_shop("live")
    shop.number = await platform.open_business()
    return shop


async def test_an_account_that_is_right_at_the_provider_is_stored(live: Shop) -> None:
    connected = await live.post(ACCOUNTS, account_body(live.number))

    assert connected.status_code == 201, connected.text
    assert [it["id"] for it in (await live.get(ACCOUNTS)).json()["data"]] == [connected.json()["id"]]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"access_token": "EAAnobodys"}, {"/access_token": "token_refused"}),
        ({"external_id": "102290129340398"}, {"/external_id": "account_not_visible", "/access_token": "scope_missing"}),
        ({"app_secrets": ["another"]}, {"/app_secrets": "app_secret_wrong"}),
        (
            {"app_secrets": ["another"], "external_id": "102290129340398"},
            {
                "/app_secrets": "app_secret_wrong",
                "/external_id": "account_not_visible",
                "/access_token": "scope_missing",
            },
        ),
    ],
)
async def test_everything_that_is_wrong_is_told_and_nothing_stored(
    live: Shop, wrong: dict[str, Any], found: dict[str, str]
) -> None:
    assert violations(await live.post(ACCOUNTS, account_body(live.number, **wrong))) == found
    assert (await live.get(ACCOUNTS)).json()["data"] == []


async def test_a_token_without_a_scope_is_told(platform: Platform, live: Shop) -> None:
    await platform.open_business(live.number, scopes=["whatsapp_business_messaging"])

    refused = await live.post(ACCOUNTS, account_body(live.number))

    assert violations(refused) == {"/access_token": "scope_missing"}
    assert "lacks whatsapp_business_management." in refused.text


async def test_while_a_secret_is_rotated_one_of_them_is_enough(live: Shop) -> None:
    secrets = ["the-coming-one", f"secret-{live.number}"]

    assert (await live.post(ACCOUNTS, account_body(live.number, app_secrets=secrets))).status_code == 201


async def test_without_asking_anything_is_stored(live: Shop) -> None:
    body = account_body(live.number, access_token="EAAnobodys", verify=False)

    assert (await live.post(ACCOUNTS, body)).status_code == 201


@pytest.mark.parametrize("mode", ["live", "test"])
async def test_what_documents_write_in_place_of_a_value_is_refused(platform: Platform, mode: str) -> None:
    shop = await platform.bare_shop(mode)

    refused = await shop.post(
        ACCOUNTS,
        account_body(
            external_id="WABA_ID", access_token="EAAG…", app_secrets=["APP_SECRET"], verify_token="<your token>"
        ),
    )

    copied = ("/external_id", "/access_token", "/app_secrets/0", "/verify_token")
    assert violations(refused) == dict.fromkeys(copied, "placeholder_value")


async def test_verifying_tells_every_part_and_the_numbers(live: Shop) -> None:
    body = {
        name: account_body(live.number)[name] for name in ("provider", "external_id", "access_token", "app_secrets")
    }

    right = (await live.post(f"{ACCOUNTS}/verify", body)).json()
    wrong = (await live.post(f"{ACCOUNTS}/verify", body | {"app_secrets": ["another"]})).json()

    assert (right["ok"], [check["part"] for check in right["checks"]]) == (
        True,
        ["token", "scopes", "account", "app_secret"],
    )
    assert [number["external_id"] for number in right["numbers"]] == [phone_id(live.number)]
    assert (wrong["ok"], [check["part"] for check in wrong["checks"] if not check["ok"]]) == (False, ["app_secret"])
    assert wrong["numbers"] == []
    assert (await live.get(ACCOUNTS)).json()["data"] == []


async def test_new_credentials_are_tried_before_they_replace_the_old(live: Shop) -> None:
    account = f"{ACCOUNTS}/{(await live.post(ACCOUNTS, account_body(live.number))).json()['id']}"

    assert violations(await live.patch(account, {"access_token": "EAAmistyped"})) == {"/access_token": "token_refused"}
    assert (await live.patch(account, {"name": "Renamed"})).status_code == 200
    assert (await live.post(f"{account}/sync-templates")).status_code == 200


async def test_a_sender_is_one_of_the_accounts_numbers(live: Shop) -> None:
    account = (await live.post(ACCOUNTS, account_body(live.number))).json()["id"]

    unknown = await live.post("/v1/senders", sender_body(account, live.number, external_id="106540352242922"))
    other = await live.post("/v1/senders", sender_body(account, live.number, address="+14155550123"))
    copied = await live.post("/v1/senders", sender_body(account, live.number, external_id="PHONE_NUMBER_ID"))
    added = await live.post("/v1/senders", sender_body(account, live.number))

    assert violations(unknown) == {"/external_id": "number_unknown"}
    assert phone_id(live.number) in unknown.text
    assert violations(other) == {"/address": "number_mismatch"}
    assert violations(copied) == {"/external_id": "placeholder_value"}
    assert added.status_code == 201, added.text


async def test_a_number_is_registered_and_webhooks_are_subscribed(platform: Platform, live: Shop) -> None:
    number = {"id": phone_id(live.number), "display_phone_number": f"+1415556{live.number:04}", "status": "PENDING"}
    await platform.open_business(live.number, phone_numbers=[number], subscribed=False)
    account = f"{ACCOUNTS}/{(await live.post(ACCOUNTS, account_body(live.number))).json()['id']}"

    registered = await live.post(f"{account}/register-number", {"phone_number_id": number["id"], "pin": "150954"})
    wrong = await live.post(f"{account}/register-number", {"phone_number_id": number["id"], "pin": "000000"})
    elsewhere = await live.post(f"{account}/register-number", {"phone_number_id": "1", "pin": "150954"})
    subscribed = await live.post(f"{account}/subscribe", {"override": False})

    assert registered.json()["status"] == "CONNECTED"
    assert "133005" in problem(wrong, 422, "provider_refused")["detail"]
    assert violations(elsewhere) == {"/phone_number_id": "number_unknown"}
    assert subscribed.status_code == 200, subscribed.text


async def test_an_override_needs_a_verify_token(live: Shop) -> None:
    connected = await live.post(ACCOUNTS, account_body(live.number, verify_token=None))

    refused = await live.post(f"{ACCOUNTS}/{connected.json()['id']}/subscribe", {})

    assert violations(refused) == {"/override": "verify_token_missing"}


async def test_a_deleted_account_is_gone_with_what_belongs_to_it_and_comes_back(platform: Platform) -> None:
    shop = await platform.shop()
    account, sender = f"{ACCOUNTS}/{shop.account}", f"/v1/senders/{shop.sender}"
    before = (await shop.get(account)).json()

    deleted = await shop.request("DELETE", account)

    assert deleted.json() == before | {"status": "deleted"}
    problem(await shop.get(account), 404, "not_found")
    problem(await shop.get(sender), 404, "not_found")
    problem(await shop.request("DELETE", account), 404, "not_found")
    assert (await shop.get(ACCOUNTS)).json()["data"] == []
    assert (await shop.get("/v1/templates")).json()["data"] == []
    await shop.post_until("/v1/messages/check", shop.message(), lambda answer: not answer.json()["would_send"])
    assert violations(await shop.post("/v1/senders", sender_body(shop.account))) == {"/account_id": "account_unknown"}

    again = await shop.post(ACCOUNTS, account_body(shop.number, name="Again"))

    assert again.json() == before | {"name": "Again"}
    assert (await shop.get(sender)).status_code == 200
    await shop.post_until("/v1/messages/check", shop.message(), lambda answer: answer.json()["would_send"])
    assert (await shop.post(f"{account}/sync-templates")).status_code == 200


async def test_an_account_is_not_deleted_under_messages_that_wait(platform: Platform) -> None:
    shop = await platform.shop()
    other = await platform.shop()
    await other.sent()
    waiting = await shop.sent()

    refused = await shop.request("DELETE", f"{ACCOUNTS}/{shop.account}")
    await shop.post(f"/v1/messages/{waiting}/cancel")
    deleted = await shop.request("DELETE", f"{ACCOUNTS}/{shop.account}")

    assert problem(refused, 409, "state_conflict")["detail"].startswith("1 messages of this account are under way.")
    assert deleted.status_code == 200, deleted.text
    assert (await shop.get(f"/v1/messages/{waiting}")).json()["status"] == "cancelled"


async def test_an_account_is_deleted_by_no_patch_and_connected_once(live: Shop) -> None:
    account = (await live.post(ACCOUNTS, account_body(live.number))).json()["id"]

    by_patch = await live.patch(f"{ACCOUNTS}/{account}", {"status": "deleted"})

    assert violations(by_patch) == {"/status": "invalid_value"}
    problem(await live.post(ACCOUNTS, account_body(live.number)), 409, "already_exists")
