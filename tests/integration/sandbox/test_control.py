"""Can accounts and settings be changed while the sandbox runs, and are mistakes refused?"""

from tests.integration.sandbox.business import Business, a_text

USER = "+14155557000"


async def test_putting_an_account_again_rotates_its_token(business: Business) -> None:
    await business.user_writes(**{"from": USER})
    old = business.token
    await business.join(access_token="fresh")

    refused = await business.send(USER)
    business.token = "fresh"
    accepted = await business.send(USER)

    assert old != business.token
    assert refused.json()["error"]["code"] == 190
    assert accepted.status_code == 200


async def test_putting_an_account_again_keeps_its_overrides(business: Business) -> None:
    override = {"override_callback_uri": business.inbox.url, "verify_token": business.inbox.verify_token}
    await business.call("POST", f"{business.waba_id}/subscribed_apps", override)

    await business.join()

    shown = (await business.call("GET", f"{business.waba_id}/subscribed_apps")).json()["data"]
    assert shown[0]["override_callback_uri"] == business.inbox.url


async def test_a_number_belongs_to_one_account(business: Business, rival: Business) -> None:
    stolen = {
        "waba_id": rival.waba_id,
        "access_token": rival.token,
        "app_secret": rival.app_secret,
        "phone_numbers": [{"id": business.phone_id, "display_phone_number": "+1 555 0100"}],
    }

    answer = await business.http.post("/_control/accounts", json=stolen)

    assert answer.status_code == 409
    assert (await business.call("POST", f"{business.phone_id}/messages", a_text())).status_code == 400


async def test_accounts_are_listed_without_their_secrets(business: Business) -> None:
    listed = await business.http.get("/_control/accounts")

    assert business.waba_id in [account["waba_id"] for account in listed.json()["data"]]
    assert business.token not in listed.text
    assert business.app_secret not in listed.text


async def test_settings_change_one_by_one_and_only_to_sensible_values(business: Business) -> None:
    before = (await business.http.get("/_control/settings")).json()

    changed = await business.control("settings", {"pair_burst": 7})
    refused = [
        await business.http.post("/_control/settings", json=body)
        for body in ({"colour": 1}, {"drop_probability": 2}, {"webhook_delay_min_ms": 10_000}, [1])
    ]

    assert changed == before | {"pair_burst": 7}
    assert [answer.status_code for answer in refused] == [422] * 4
    assert (await business.http.get("/_control/settings")).json() == changed


async def test_malformed_control_requests_and_unknown_endpoints(business: Business) -> None:
    broken = await business.http.post("/_control/accounts", content=b"{")
    unknown = await business.http.get("/_control/weather")
    nowhere = await business.http.get("/")
    healthy = await business.http.get("/healthz")

    assert broken.status_code == 422
    assert unknown.status_code == 404
    assert nowhere.status_code == 400
    assert healthy.json() == {"status": "ok"}


async def test_a_body_above_the_limit_is_refused(business: Business) -> None:
    answer = await business.call("POST", f"{business.phone_id}/messages", {"x": "y" * (5 * 1024 * 1024)})

    assert answer.status_code == 413


async def test_a_former_name_is_refused_with_the_present_one(business: Business) -> None:
    account = {"waba_id": "1", "access_token": "a", "app_secret": "b", "callback_url": "http://localhost/hook"}

    setting = await business.http.post("/_control/settings", json={"callback_late_ms": 1, "callback_seed": 2})
    url = await business.http.post("/_control/accounts", json=account)
    path = await business.http.get("/_callbacks")

    assert (setting.status_code, url.status_code, path.status_code) == (422, 422, 404)
    assert setting.json()["detail"] == (
        "callback_late_ms is called webhook_late_ms now; callback_seed is called webhook_seed now"
    )
    assert "webhook_url" in url.json()["detail"]
    assert "/_webhooks" in path.json()["detail"]
