"""Which webhooks are taken in, and what is kept of them?"""

import hashlib
from urllib.parse import urlencode

import pytest

from messaging.application.ports.providers.webhooks import Acknowledgement, WebhookRequest
from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.webhooks import raw
from messaging.application.webhooks.receive import (
    Arriving,
    Challenge,
    Duplicate,
    Endpoints,
    Forged,
    Stored,
    StoreWebhook,
    Unknown,
)
from messaging.domain.shared.ids import Prefix, WebhookId, typeid
from tests.builders import ACCOUNT, NOON, TENANT
from tests.fakes.installed import CREDENTIALS_OF, PUBLIC_URL
from tests.unit.application.webhooks.doubles import CIPHER, KEY_RING, Counts, FixedClock, JsonReader, KnownTenants

WEBHOOK = WebhookId(ACCOUNT)
TOKEN = KnownTenants().account.webhook_token
TAKEN = Acknowledgement(body=b"taken")
BODY = b'["delivered"]'


class Door:
    """Stands for the group commit: remembers what it stored, knows bytes again, fails on request."""

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
def accept(door: Door, counts: Counts) -> StoreWebhook:
    return StoreWebhook(
        endpoints=Endpoints(
            snapshots=KnownTenants(),
            key_ring=KEY_RING,
            credentials=CREDENTIALS_OF,
            readers={"whatsapp_cloud": JsonReader()},
        ),
        public_url=f"{PUBLIC_URL}/",
        store=door,
        new_id=lambda: WEBHOOK,
        clock=FixedClock(),
        telemetry=counts,
    )


def arriving(
    *,
    provider: str = "whatsapp_cloud",
    token: str = TOKEN,
    signature: str | None = "s3cret",
    body: bytes = BODY,
    query: str = "",
) -> Arriving:
    headers = {"content-type": "application/json", "cookie": "secret=1"}
    if signature is not None:
        headers["x-signature"] = signature
    return Arriving(provider=provider, token=token, headers=headers, body=body, query=query)


def checking(token: str, query: dict[str, str]) -> Arriving:
    return Arriving(provider="whatsapp_cloud", token=token, headers={}, body=b"", method="GET", query=urlencode(query))


async def test_an_authentic_webhook_is_stored_sealed_with_the_headers_worth_keeping(
    accept: StoreWebhook, door: Door
) -> None:
    outcome = await accept(arriving(query="ref=1%2E2"))

    (stored,) = door.stored
    assert outcome == Stored(TAKEN)
    assert (stored.tenant_id, stored.account_id, stored.provider) == (TENANT, ACCOUNT, "whatsapp_cloud")
    assert stored.received_at == NOON
    assert stored.digest == hashlib.sha256(b"?ref=1%2E2\n" + BODY).digest()
    assert BODY not in stored.sealed
    kept = raw.unseal(CIPHER, stored.id, stored.sealed)
    assert kept == WebhookRequest(
        method="POST",
        url=f"{PUBLIC_URL}/webhooks/whatsapp_cloud/{TOKEN}?ref=1%2E2",
        headers={"content-type": "application/json", "x-signature": "s3cret"},
        body=BODY,
    )


async def test_the_same_body_for_another_query_is_another_webhook(accept: StoreWebhook, door: Door) -> None:
    await accept(arriving(query="ref=1"))
    await accept(arriving(query="ref=2"))
    await accept(arriving())

    assert len({stored.digest for stored in door.stored}) == 3


async def test_the_same_bytes_again_are_a_duplicate(accept: StoreWebhook, door: Door, counts: Counts) -> None:
    await accept(arriving())

    assert await accept(arriving()) == Duplicate(TAKEN)
    assert len(door.stored) == 1
    assert counts.seen["webhooks_received{outcome=duplicate,provider=whatsapp_cloud}"] == 1


async def test_what_could_not_be_stored_is_counted_by_provider(accept: StoreWebhook, counts: Counts) -> None:
    accept.count_not_stored("whatsapp_cloud")
    accept.count_not_stored("somebody_else")

    assert counts.seen["webhooks_received{outcome=not_stored,provider=whatsapp_cloud}"] == 1
    assert not any("somebody_else" in name for name in counts.seen)


@pytest.mark.parametrize("signature", [None, "", "S3CRET", "s3cret "])
async def test_without_the_right_signature_nothing_is_stored(
    accept: StoreWebhook, door: Door, signature: str | None
) -> None:
    assert await accept(arriving(signature=signature)) == Forged()
    assert door.stored == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "wht_0000000000000000"},
        {"token": ""},
        {"token": "x" * 201},
        {"token": TOKEN + "\u0661"},
        {"provider": "whatsapp"},
        {"provider": "twilio"},
    ],
    ids=str,
)
async def test_an_unknown_path_is_unknown_whatever_it_carries(
    accept: StoreWebhook, door: Door, wrong: dict[str, str]
) -> None:
    assert await accept(arriving(**wrong)) == Unknown()  # type: ignore[arg-type]  # str into str parameters
    assert door.stored == []


async def test_a_path_nobody_has_does_not_become_a_label(accept: StoreWebhook, counts: Counts) -> None:
    await accept(arriving(provider="guess-1"))
    await accept(arriving(provider="guess-2"))

    assert counts.seen == {"webhooks_received{outcome=unknown,provider=unknown}": 2}


async def test_when_the_store_is_away_nobody_is_told_that_it_was_stored(accept: StoreWebhook, door: Door) -> None:
    door.away = True

    with pytest.raises(StoreUnavailable):
        await accept(arriving())


async def test_a_subscription_check_with_our_token_gets_its_challenge_back(accept: StoreWebhook) -> None:
    query = {"token": "let-me-in", "challenge": "1158201444"}

    assert await accept.handshake(checking(TOKEN, query)) == Challenge("1158201444")
    assert await accept.handshake(checking(TOKEN, query | {"token": "let-me"})) == Forged()
    assert await accept.handshake(checking("wht_0000", query)) == Unknown()


async def test_what_is_refused_leaves_a_line_with_the_account_and_nothing_else(
    accept: StoreWebhook, caplog: pytest.LogCaptureFixture
) -> None:
    await accept(arriving(signature="wrong"))
    await accept.handshake(checking(TOKEN, {"token": "let-me", "challenge": "1"}))
    await accept.handshake(checking("wht_0000", {"token": "let-me", "challenge": "1"}))

    told = [(record.getMessage(), vars(record)["account"]) for record in caplog.records]
    account = typeid(Prefix.ACCOUNT, KnownTenants().account.id)
    assert told == [("webhook.forged", account), ("webhook.handshake_refused", account)]
    assert "let-me" not in caplog.text + str([vars(record) for record in caplog.records])


async def test_a_path_is_known_before_anything_is_read_from_it(accept: StoreWebhook, counts: Counts) -> None:
    assert await accept.knows("whatsapp_cloud", TOKEN)
    assert counts.seen == {}

    assert not await accept.knows("whatsapp_cloud", "wht_0000")
    assert not await accept.knows("twilio", TOKEN)
    assert counts.seen == {
        "webhooks_received{outcome=unknown,provider=whatsapp_cloud}": 1,
        "webhooks_received{outcome=unknown,provider=unknown}": 1,
    }


async def test_a_refused_subscription_check_says_which_credentials_are_not_set(
    accept: StoreWebhook, caplog: pytest.LogCaptureFixture
) -> None:
    await accept.handshake(checking(TOKEN, {"token": "let-me", "challenge": "1"}))

    [record] = caplog.records
    assert vars(record)["unset_credentials"] == ""
