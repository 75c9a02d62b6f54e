"""What a provider account takes in as ids, and to whom it shows where its webhooks go."""

import pytest

from messaging.domain.tenants.tenant import KeyRole
from tests.integration.api.answers import violations
from tests.integration.api.callers import Caller, Platform, Shop, account_body, sender_body

NO_IDS = ["..", "../../me", "WABA_ID", "+14155550100", "1/2", "1?fields=x", "1 2", "١٢"]


@pytest.mark.parametrize("id", NO_IDS)
async def test_what_cannot_be_an_id_of_the_providers_is_refused(quiet_shop: Shop, id: str) -> None:
    account = await quiet_shop.post("/v1/provider-accounts", account_body(external_id=id))
    sender = await quiet_shop.post("/v1/senders", sender_body(quiet_shop.account, external_id=id, address="x"))

    assert "/external_id" in violations(account)
    assert {"/external_id", "/address"} <= violations(sender).keys()


@pytest.mark.parametrize("role", KeyRole)
async def test_only_who_manages_accounts_is_shown_where_their_webhooks_go(
    role: KeyRole, platform: Platform, quiet_shop: Shop
) -> None:
    caller = Caller(platform.client, (await platform.issue_key(quiet_shop.tenant, role=role))["key"])

    one = await caller.get(f"/v1/provider-accounts/{quiet_shop.account}")
    listed = await caller.get("/v1/provider-accounts")

    if role is KeyRole.SENDER:
        assert (one.status_code, listed.status_code) == (403, 403)
        return
    shown = [one.json()["webhook_url"], *(account["webhook_url"] for account in listed.json()["data"])]
    assert all((url is not None) == (role is KeyRole.OWNER) for url in shown)
