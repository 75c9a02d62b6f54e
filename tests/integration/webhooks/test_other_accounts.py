"""A receipt speaks for messages that left by the account whose secret signed it, and for no others."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application.ports.parked_receipts import ParkedReceipt
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.reference import write
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.mode import Mode
from tests.builders import TENANT, a_receipt, an_account
from tests.integration.webhooks import meta
from tests.integration.webhooks.platform import Platform
from tests.integration.webhooks.test_process import state, submitted

TEST_ACCOUNT = AccountId(UUID("019df2d9-4c00-7000-8000-0000000000a1"))
LIVE_TWIN = AccountId(UUID("019df2d9-4c00-7000-8000-0000000000a2"))
SECRET = "the other account's secret"


async def connect(platform: Platform, id: AccountId, mode: Mode) -> None:
    """Another account of the same tenant, with a secret of its own."""
    credentials = Credentials(access_token="other", app_secrets=(SECRET,), verify_token="other")
    sealed = seal_credentials(id, credentials, platform.cipher)
    async with platform.application.adapters.open_uow()(TENANT, mode) as uow:
        await uow.accounts.add_account(an_account(id=id, mode=mode, webhook_token="other", sealed_credentials=sealed))
        await uow.commit()


async def echo_from_the_other(client: httpx.AsyncClient, platform: Platform, key: MessageKey) -> None:
    """What whoever has the other account's secret may post: a status that echoes the message's own reference."""
    echo = write(key.message_id, 1, platform.cipher.tag)
    body = meta.webhook(meta.statuses(meta.status("wamid.1", "failed", biz_opaque_callback_data=echo)))
    sent = await client.post("/webhooks/whatsapp_cloud/other", content=body, headers=meta.signed(body, SECRET))
    assert sent.status_code == 200


@pytest.mark.parametrize(("id", "mode"), [(TEST_ACCOUNT, Mode.TEST), (LIVE_TWIN, Mode.LIVE)])
async def test_a_receipt_signed_for_another_account_moves_nothing(
    client: httpx.AsyncClient, platform: Platform, id: AccountId, mode: Mode
) -> None:
    await connect(platform, id, mode)
    key = await submitted(platform, "wamid.1")

    await echo_from_the_other(client, platform, key)
    await platform.process()

    assert await state(platform, key) == "submitted"
    assert await platform.value("SELECT status FROM raw_webhooks") == "processed"
    # It will never match: waiting for it would only keep the other account's unclear messages from being sent again.
    assert await platform.value("SELECT count(*) FROM parked_receipts") == 0


async def test_a_parked_receipt_of_another_account_moves_nothing_when_its_message_is_there(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    await connect(platform, TEST_ACCOUNT, Mode.TEST)
    key = await submitted(platform, "wamid.1")
    receipt = a_receipt(provider_message_id="wamid.1", reference=write(key.message_id, 1, platform.cipher.tag))
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    parked = ParkedReceipt(tenant_id=TENANT, account_id=TEST_ACCOUNT, receipt=receipt, parked_at=long_ago, tries=0)
    async with platform.application.adapters.open_system_uow()() as uow:
        await uow.parked_receipts.park([parked])
        await uow.commit()
    await platform.rows("UPDATE parked_receipts SET next_look_at = clock_timestamp()")

    assert await platform.application.webhooks.rematch()() == 1

    assert await state(platform, key) == "submitted"
    assert await platform.value("SELECT count(*) FROM parked_receipts") == 0
