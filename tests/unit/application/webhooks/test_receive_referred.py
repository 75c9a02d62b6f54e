"""Webhooks that do not come by HTTP: the reference in their address vouches for them."""

import pytest
from msgspec.structs import replace

from messaging.application.ports.providers.webhooks import Acknowledgement, Referred, WebhookRequest
from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.webhooks import raw
from messaging.application.webhooks.receive import Duplicate, Endpoints, Forged, Stored, StoreWebhook, Unknown
from messaging.application.webhooks.receive_referred import StoreReferredWebhook
from messaging.domain.messages import reference
from messaging.domain.shared.ids import AccountId, MessageId, WebhookId
from tests.builders import ACCOUNT, NOON, TENANT
from tests.fakes.installed import CREDENTIALS_OF, PUBLIC_URL
from tests.unit.application.webhooks.doubles import CIPHER, KEY_RING, Counts, FixedClock, JsonReader, KnownTenants

PROVIDER = "whatsapp_cloud"
TAKEN = Acknowledgement(body=b"taken")
OURS = reference.write(MessageId(TENANT), 1, CIPHER.tag)
MAIL = Referred(
    account_id=ACCOUNT,
    reference=OURS,
    method="SMTP",
    query="to=x%40y.test",
    headers={"x-signature": "none", "cookie": "1"},
    body=b"Subject: returned\r\n",
)


class Door:
    """Stands for the group commit."""

    def __init__(self) -> None:
        self.stored: list[RawWebhook] = []
        self.away = False

    async def __call__(self, webhook: RawWebhook) -> bool:
        if self.away:
            raise StoreUnavailable
        fresh = webhook.digest not in {known.digest for known in self.stored}
        if fresh:
            self.stored.append(webhook)
        return fresh


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def accept(door: Door, counts: Counts) -> StoreReferredWebhook:
    endpoints = Endpoints(
        snapshots=KnownTenants(), key_ring=KEY_RING, credentials=CREDENTIALS_OF, readers={PROVIDER: JsonReader()}
    )
    store = StoreWebhook(
        endpoints=endpoints,
        public_url=PUBLIC_URL,
        store=door,
        new_id=lambda: WebhookId(ACCOUNT),
        clock=FixedClock(),
        telemetry=counts,
    )
    return StoreReferredWebhook(endpoints=endpoints, accept=store, clock=FixedClock())


async def test_what_comes_to_an_address_of_ours_is_stored_like_any_webhook(
    accept: StoreReferredWebhook, door: Door
) -> None:
    known = await accept.knows(PROVIDER, ACCOUNT, OURS)
    outcome = await accept(PROVIDER, MAIL)

    (stored,) = door.stored
    assert known
    assert outcome == Stored(TAKEN)
    assert (stored.tenant_id, stored.account_id, stored.received_at) == (TENANT, ACCOUNT, NOON)
    token = KnownTenants().account.webhook_token
    assert raw.unseal(CIPHER, stored.id, stored.sealed) == WebhookRequest(
        method="SMTP",
        url=f"{PUBLIC_URL}/webhooks/{PROVIDER}/{token}?to=x%40y.test",
        headers={"x-signature": "none"},
        body=MAIL.body,
    )


async def test_a_repetition_is_stored_once(accept: StoreReferredWebhook, door: Door) -> None:
    await accept(PROVIDER, MAIL)

    assert await accept(PROVIDER, MAIL) == Duplicate(TAKEN)
    assert len(door.stored) == 1


async def test_a_forged_reference_is_refused(accept: StoreReferredWebhook, door: Door, counts: Counts) -> None:
    forged = OURS[:-1] + ("a" if OURS[-1] != "a" else "b")

    assert not await accept.knows(PROVIDER, ACCOUNT, forged)
    assert await accept(PROVIDER, replace(MAIL, reference=forged)) == Forged()
    assert door.stored == []
    assert counts.seen["webhooks_received{outcome=forged,provider=whatsapp_cloud}"] == 2


async def test_an_unknown_account_or_one_of_another_provider_is_refused(accept: StoreReferredWebhook) -> None:
    assert not await accept.knows(PROVIDER, AccountId(TENANT), OURS)
    assert await accept(PROVIDER, replace(MAIL, account_id=AccountId(TENANT))) == Unknown()
    assert await accept("another", MAIL) == Unknown()


async def test_nothing_is_answered_for_while_the_store_is_away(accept: StoreReferredWebhook, door: Door) -> None:
    door.away = True

    with pytest.raises(StoreUnavailable):
        await accept(PROVIDER, MAIL)
