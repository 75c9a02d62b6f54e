"""What Meta tells of a token, an app secret and a number before anything is sent, as the sandbox tells it."""

import hashlib
import hmac
from typing import Any

import httpx
import pytest

from tests.integration.sandbox.business import Business, a_text

LONG_AGO = 1_700_000_000


def code(answer: httpx.Response) -> int:
    return int(answer.json()["error"]["code"])


async def facts(business: Business, token: str | None = None) -> dict[str, Any]:
    answer = await business.call("GET", "debug_token", input_token=token or business.token)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


async def test_a_token_tells_its_scopes_and_accounts(business: Business) -> None:
    told = await facts(business)

    assert (told["is_valid"], told["expires_at"]) == (True, 0)
    assert set(told["scopes"]) == {"whatsapp_business_management", "whatsapp_business_messaging"}
    assert all(scope["target_ids"] == [business.waba_id] for scope in told["granular_scopes"])


async def test_an_unknown_token_is_told_from_none(business: Business) -> None:
    assert (await facts(business, "EAAnobodys"))["is_valid"] is False
    assert code(await business.call("GET", "debug_token")) == 100
    stranger = await business.http.get(
        "/debug_token", params={"input_token": "x"}, headers={"authorization": "Bearer x"}
    )
    assert code(stranger) == 190


async def test_the_app_may_ask_about_the_token(business: Business) -> None:
    headers = {"authorization": f"Bearer 1|{business.app_secret}"}

    told = await business.http.get("/debug_token", params={"input_token": business.token}, headers=headers)

    assert told.json()["data"]["is_valid"] is True


async def test_an_expired_token_opens_nothing(business: Business) -> None:
    await business.join(token_expires_at=LONG_AGO)

    assert code(await business.call("GET", business.waba_id)) == 190
    assert code(await business.send()) == 190
    assert (await facts(business))["is_valid"] is False


@pytest.mark.parametrize(("secret", "status"), [(None, 200), ("another-apps", 400)])
async def test_a_proof_must_be_made_with_the_apps_secret(business: Business, secret: str | None, status: int) -> None:
    key = (secret or business.app_secret).encode()
    proof = hmac.new(key, business.token.encode(), hashlib.sha256).hexdigest()

    answer = await business.call("GET", "me", fields="id", appsecret_proof=proof)

    assert answer.status_code == status


async def test_a_number_sends_once_it_is_registered_with_its_pin(business: Business) -> None:
    number = {"id": business.phone_id, "display_phone_number": business.display, "status": "PENDING", "pin": "150954"}
    await business.join(phone_numbers=[number])
    await business.user_writes(**{"from": "+14155557000"})
    register = f"{business.phone_id}/register"

    assert code(await business.post_message(a_text())) == 133010
    assert code(await business.call("POST", register, {"messaging_product": "whatsapp", "pin": "000000"})) == 133005
    assert code(await business.call("POST", register, {"messaging_product": "whatsapp", "pin": "12"})) == 100
    assert code(await business.call("POST", register, {"pin": "150954"})) == 100
    await business.call("POST", register, {"messaging_product": "whatsapp", "pin": "150954"})
    read = await business.call("GET", business.phone_id, fields="status")

    assert read.json()["status"] == "CONNECTED"
    assert (await business.post_message(a_text())).status_code == 200
