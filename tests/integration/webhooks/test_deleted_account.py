"""What a provider still tells about the messages of an account that was disconnected is taken."""

import httpx

from tests.builders import ACCOUNT, a_principal
from tests.integration.webhooks import meta
from tests.integration.webhooks.platform import Platform
from tests.integration.webhooks.test_process import post, state, submitted


async def test_late_receipts_and_answers_reach_an_account_that_was_deleted(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    key = await submitted(platform, "wamid.1")

    deleted = await platform.application.accounts.delete()(a_principal(), ACCOUNT)
    await post(client, meta.statuses(meta.status("wamid.1", "delivered")), meta.texts("Thanks!"))
    await platform.process()

    assert deleted.status == "deleted"
    assert await state(platform, key) == "delivered"
    assert await platform.value("SELECT count(*) FROM inbound_messages") == 1
