"""Is Meta's `message_history` asked as it is described, and read for what it is worth?"""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import respx

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.providers.tools import Tools
from messaging.adapters.providers.whatsapp_cloud import build
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.settings import WhatsAppSettings
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.domain.messages.receipts import ProviderError, Receipt, ReceiptKind
from tests.builders import WAMID
from tests.integration.providers.whatsapp_cloud.connecting import a_gateway
from tests.integration.providers.whatsapp_cloud.sending import PHONE_ID, TOKEN, a_connection

LIVE = "https://graph.facebook.com"
HISTORY = f"{LIVE}/v25.0/{PHONE_ID}/message_history"


@pytest.fixture
async def gateway() -> AsyncIterator[WhatsAppCloudGateway]:
    http = ProviderHttp()
    yield a_gateway(http, live=LIVE)
    await http.aclose()


@pytest.fixture
def meta() -> Iterator[respx.MockRouter]:
    with respx.mock(using="httpx", assert_all_called=False) as router:
        yield router


def an_answer(*events: Any, message_id: str = WAMID) -> dict[str, Any]:
    return {"data": [{"id": "1", "message_id": message_id, "events": {"data": list(events)}}]}


async def test_one_message_is_asked_for_and_its_events_come_oldest_first(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    events = (
        {"delivery_status": "DELIVERED", "timestamp": 1777896005, "webhook_update_state": "ERROR"},
        {"delivery_status": "ACCEPTED", "timestamp": 1777896000},
        {"delivery_status": "sent", "timestamp": "1777896001"},
    )
    route = meta.get(HISTORY).respond(json=an_answer(*events))

    found = await gateway.history(a_connection(), PHONE_ID, WAMID)

    assert [(receipt.kind, receipt.occurred_at and receipt.occurred_at.second, receipt.error) for receipt in found] == [
        (ReceiptKind.SENT, 1, None),
        (ReceiptKind.DELIVERED, 5, None),
    ]
    request = route.calls.last.request
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.url.params["message_id"] == WAMID
    assert request.url.params["fields"].startswith("id,message_id,events{delivery_status,timestamp")


async def test_a_failure_brings_its_description(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    failed = {"delivery_status": "FAILED", "timestamp": 1777896001, "error_description": "Message undeliverable."}
    meta.get(HISTORY).respond(json=an_answer(failed))

    assert await gateway.history(a_connection(), PHONE_ID, WAMID) == [
        Receipt(
            kind=ReceiptKind.FAILED,
            sender_external_id=PHONE_ID,
            provider_message_id=WAMID,
            occurred_at=datetime.fromtimestamp(1777896001, UTC),
            error=ProviderError(code="failed", reason="Message undeliverable."),
        )
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": "nothing"},
        {"data": [{"message_id": WAMID}, None, 7]},
        an_answer({"delivery_status": "DELETED", "timestamp": 1}, {"delivery_status": "READ"}, "x"),
        an_answer({"delivery_status": 7, "timestamp": 1}, {"delivery_status": "READ", "timestamp": "soon"}),
        an_answer({"delivery_status": "READ", "timestamp": 1}, message_id="wamid.another"),
    ],
)
async def test_what_cannot_be_read_is_no_news(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter, answer: dict[str, Any]
) -> None:
    meta.get(HISTORY).respond(json=answer)

    assert await gateway.history(a_connection(), PHONE_ID, WAMID) == []


async def test_a_message_meta_does_not_know_is_a_refusal(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    error = {"error": {"message": "Invalid parameter", "type": "OAuthException", "code": 100}}
    meta.get(HISTORY).respond(422, json=error)

    with pytest.raises(ProviderRefused, match="Error 100"):
        await gateway.history(a_connection(), PHONE_ID, WAMID)


async def test_no_answer_is_no_news_either(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    meta.get(HISTORY).respond(502, text="Bad gateway")

    with pytest.raises(ProviderUnavailable):
        await gateway.history(a_connection(), PHONE_ID, WAMID)


@pytest.mark.parametrize("wanted", [True, False])
async def test_meta_is_not_asked_unless_the_operator_wants_it(wanted: bool) -> None:
    http = ProviderHttp()
    tools = Tools(
        http=http,
        settings=WhatsAppSettings(message_history=wanted),
        sandbox_url="http://sandbox.local",
        webhooks_url="https://hooks.example",
        on_close=lambda close: None,
    )

    assert (build(tools).lookup is not None) is wanted
    await http.aclose()
