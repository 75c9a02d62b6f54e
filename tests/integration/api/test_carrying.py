"""What an account may carry comes from its provider, when a sender is added and when a message is submitted."""

import asyncpg

from messaging.domain.shared.ids import Prefix, parse_typeid
from tests.integration.api.callers import Json, Shop


def a_sender(shop: Shop, **changes: str) -> Json:
    return {
        "account_id": shop.account,
        "channel": "whatsapp",
        "external_id": "70000001",
        "address": "+14155550111",
        "name": "Another",
    } | changes


async def test_a_whatsapp_account_has_no_senders_of_other_channels(shop: Shop) -> None:
    sms = await shop.post("/v1/senders", a_sender(shop, channel="sms"))
    email = await shop.post("/v1/senders", a_sender(shop, channel="email", address="not an address"))

    assert (sms.status_code, email.status_code) == (422, 422)
    assert [error["code"] for error in sms.json()["errors"]] == ["channel_not_carried"]
    assert {(error["pointer"], error["code"]) for error in email.json()["errors"]} == {
        ("/address", "mailbox_invalid"),
        ("/channel", "channel_not_carried"),
    }
    assert "whatsapp_cloud account carries whatsapp, not sms" in sms.json()["errors"][0]["detail"]


async def test_a_message_never_goes_to_a_sender_whose_account_does_not_carry_its_channel(
    shop: Shop, stored_in: str
) -> None:
    """Such senders could be added once."""
    keeper = await asyncpg.connect(stored_in)
    await keeper.execute(
        "INSERT INTO senders SELECT tenant_id, gen_random_uuid(), account_id, 'sms', mode, 'old', address, 'Old',"
        " status, created_at, per_second, rank FROM senders WHERE tenant_id = $1",
        parse_typeid(Prefix.TENANT, shop.tenant),
    )
    await keeper.close()
    message = shop.message(channel="sms", content={"type": "text", "body": "hello"})

    answers = [await shop.post("/v1/messages", message), await shop.post("/v1/messages/check", message)]

    assert answers[0].status_code == 422
    assert [error["code"] for error in answers[0].json()["errors"]] == ["no_sender"]
    assert "no_sender" in answers[1].text
