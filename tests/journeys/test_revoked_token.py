"""Does a token that the provider revokes cost anything but the time until it is replaced?"""

from typing import Any

from tests.journeys.platform import Platform, eventually

ORDERS = 60


async def test_a_revoked_token_pauses_the_sender_and_everything_goes_after_its_rotation(platform: Platform) -> None:
    await _provider_accepts(platform, "EAAanother")
    ids = await platform.accepted_batch([platform.order(f"+1415559{n:04d}") for n in range(ORDERS)])

    held = await eventually(lambda: _held(platform), within=120, what="the sender was not paused")
    messages = [await platform.message(id) for id in ids]
    rotated = await platform.client.patch(
        f"/v1/provider-accounts/{platform.business.account}", json={"access_token": "EAAanother"}
    )
    ends = await platform.until_all_end(ids)

    assert (held["scope"], held["reason"], held["code"]) == ("account", "unauthorized", "190")
    assert {message["status"] for message in messages} <= {"queued", "sending"}
    assert rotated.status_code == 200
    assert set(ends) <= {"read", "delivered"}
    await eventually(lambda: _closed(platform), within=120, what="the sender stayed paused")
    assert await platform.illegal_histories() == []


async def _provider_accepts(platform: Platform, token: str) -> None:
    """From now on, and no other; it stays so for the tests that come after."""
    accounts = (await platform.sandbox.get("/_control/accounts")).json()["data"]
    (account,) = (account for account in accounts if account["waba_id"] == platform.business.seed.waba_id)
    secrets = {"access_token": token, "app_secret": platform.business.seed.app_secret}
    answer = await platform.sandbox.post("/_control/accounts", json=account | secrets)
    assert answer.status_code == 200, answer.text


async def _closed(platform: Platform) -> bool | None:
    return True if (await _health(platform))["state"] == "closed" else None


async def _held(platform: Platform) -> dict[str, Any] | None:
    health = await _health(platform)
    return health if health["state"] != "closed" else None


async def _health(platform: Platform) -> dict[str, Any]:
    response = await platform.client.get(f"/v1/senders/{platform.business.senders[0]}")
    return dict(response.json()["health"])
