"""The scripted provider and WhatsApp's Cloud API, replaced at its wire, answer alike what the platform asks."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple, Protocol

import httpx
import pytest
import respx

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.adapters.providers.whatsapp_cloud.setup import WhatsAppCloudSetup
from messaging.adapters.providers.whatsapp_cloud.webhooks.reader import WhatsAppWebhookReader
from messaging.adapters.providers.whatsapp_cloud.wire.graph import GraphCalls
from messaging.application.ports.providers.lookup import StatusLookup
from messaging.application.ports.providers.numbers import NumberDirectory, ProviderNumber
from messaging.application.ports.providers.sending import Connection, NotStarted, Outgoing, ProviderGateway
from messaging.application.ports.providers.setup import AccountSetup, Finding
from messaging.application.ports.providers.templates import TemplateRegistry
from messaging.application.ports.providers.webhooks import MalformedWebhook, OtherEvent, WebhookReader
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import Rejected, Sent, Uncertain, Unreachable
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import TemplateStatus
from tests.builders import ANA, NOON, PHONE_NUMBER_ID, WABA_ID, WAMID, a_receipt, a_template, a_text
from tests.fakes.gateway import ScriptedGateway
from tests.fakes.installed import a_webhook
from tests.fakes.providers import JsonReader, ScriptedSetup

LIVE = "https://graph.example"
VERSION = "v25.0"
CREDENTIALS = Credentials(access_token="EAAtoken", app_secrets=("old", "s3cret"), verify_token="let-me-in")
CONNECTION = Connection(mode=Mode.LIVE, external_id=WABA_ID, credentials=CREDENTIALS)
NUMBER = ProviderNumber(
    external_id=PHONE_NUMBER_ID, address="+15550783881", name="Northwind", per_second=80, status="CONNECTED"
)
REFUSED = Rejected(code="131026", reason="Undeliverable.")


class Gateway(ProviderGateway, StatusLookup, TemplateRegistry, NumberDirectory, Protocol):
    """One object behind all these ports, as both of the providers here have."""


class Provider(NamedTuple):
    """`sends` counts the messages that got to the provider. `refuse` has it refuse all further ones, `cut_off` keeps
    anybody from reaching it, and `revoke` makes the token a bad one. `subscribed` and `registered` are what it was
    told about the account.
    """

    gateway: Gateway
    setup: AccountSetup
    sends: Callable[[], int]
    refuse: Callable[[], object]
    cut_off: Callable[[], object]
    revoke: Callable[[], object]
    subscribed: Callable[[], list[str | None]]
    registered: Callable[[], list[tuple[str, str]]]


@pytest.fixture(params=["scripted", "whatsapp_cloud"])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    """With one number, and the history of one message that was delivered."""
    if request.param == "scripted":
        yield scripted()
        return
    http = ProviderHttp()
    with respx.mock(using="httpx", assert_all_called=False) as meta:
        yield whatsapp(http, meta)
    await http.aclose()


def scripted() -> Provider:
    gateway, setup = ScriptedGateway(), ScriptedSetup(NUMBER)
    gateway.numbers, gateway.histories = [NUMBER], {WAMID: [a_receipt()]}
    setup.findings = [Finding(part="token", ok=True, detail="valid", pointer="/access_token", code="token_refused")]

    def answer(result: Any) -> None:
        gateway.answer = gateway.started_then(result)

    async def out_of_reach(outgoing: Outgoing, may_start: Any) -> Unreachable:
        return Unreachable(code="connect", reason="refused")

    def cut_off() -> None:
        gateway.answer = out_of_reach

    def revoke() -> None:
        setup.findings = [
            Finding(part="token", ok=False, detail="revoked", pointer="/access_token", code="token_refused")
        ]

    return Provider(
        gateway,
        setup,
        lambda: len(gateway.sent),
        lambda: answer(REFUSED),
        cut_off,
        revoke,
        lambda: setup.subscribed,
        lambda: setup.registered,
    )


def whatsapp(http: ProviderHttp, meta: respx.MockRouter) -> Provider:
    at = f"{LIVE}/{VERSION}"
    messages = meta.post(f"{at}/{PHONE_NUMBER_ID}/messages").respond(json={"messages": [{"id": WAMID}]})
    created = {"id": "572279198452421", "status": "PENDING", "category": "UTILITY"}
    templates: list[dict[str, Any]] = []

    def create(request: httpx.Request) -> httpx.Response:
        templates.append(json.loads(request.content) | created)
        return httpx.Response(200, json=created)

    meta.post(f"{at}/{WABA_ID}/message_templates").mock(side_effect=create)
    meta.get(f"{at}/{WABA_ID}/message_templates").mock(
        side_effect=lambda _: httpx.Response(200, json={"data": templates})
    )
    number = {
        "id": PHONE_NUMBER_ID,
        "display_phone_number": "+1 555-078-3881",
        "verified_name": "Northwind",
        "status": "CONNECTED",
    }
    meta.get(f"{at}/{WABA_ID}/phone_numbers").respond(json={"data": [number]})
    delivered = {"delivery_status": "DELIVERED", "timestamp": int(NOON.timestamp()) + 3}
    history = {"data": [{"id": "1", "message_id": WAMID, "events": {"data": [delivered]}}]}
    meta.get(f"{at}/{PHONE_NUMBER_ID}/message_history").respond(json=history)
    scopes = ["whatsapp_business_management", "whatsapp_business_messaging"]
    token = meta.get(f"{at}/debug_token").respond(json={"data": {"is_valid": True, "scopes": scopes}})
    meta.get(f"{at}/me").respond(json={"id": "1"})
    meta.get(f"{at}/{WABA_ID}").respond(json={"id": WABA_ID, "name": "Northwind"})
    apps = meta.post(f"{at}/{WABA_ID}/subscribed_apps").respond(json={"success": True})
    register = meta.post(f"{at}/{PHONE_NUMBER_ID}/register").respond(json={"success": True})
    graph = GraphCalls(http=http, live_base_url=LIVE, sandbox_base_url=LIVE, graph_version=VERSION)
    gateway = WhatsAppCloudGateway(http=http, graph=graph)

    def subscribed() -> list[str | None]:
        bodies = [json.loads(call.request.content) for call in apps.calls if call.request.content]
        return [body["override_callback_uri"] for body in bodies] or [None] * len(apps.calls)

    def registered() -> list[tuple[str, str]]:
        return [(PHONE_NUMBER_ID, json.loads(call.request.content)["pin"]) for call in register.calls]

    return Provider(
        gateway,
        WhatsAppCloudSetup(graph=graph, gateway=gateway),
        lambda: len(messages.calls),
        lambda: messages.respond(400, json={"error": {"code": 131026, "message": "Undeliverable."}}),
        lambda: messages.mock(side_effect=httpx.ConnectError("refused")),
        lambda: token.respond(401, json={"error": {"code": 190, "message": "revoked"}}),
        subscribed,
        registered,
    )


class Permission:
    """A `may_start` that counts how often it was asked."""

    def __init__(self, *, given: bool = True) -> None:
        self.given = given
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.given


def outgoing() -> Outgoing:
    return Outgoing(
        connection=CONNECTION,
        sender_external_id=PHONE_NUMBER_ID,
        recipient=ANA,
        content=a_text(),
        template=None,
        reference="v1.reference",
    )


# --- sending ----------------------------------------------------------------------------------------------------------


async def test_a_message_is_handed_over_once_after_its_start_was_allowed(provider: Provider) -> None:
    may_start = Permission()

    result = await provider.gateway.send(outgoing(), may_start=may_start)

    assert isinstance(result, Sent)
    assert result.provider_message_id
    assert (may_start.asked, provider.sends()) == (1, 1)


async def test_nothing_leaves_without_permission(provider: Provider) -> None:
    may_start = Permission(given=False)

    result = await provider.gateway.send(outgoing(), may_start=may_start)

    assert result == NotStarted()
    assert (may_start.asked, provider.sends()) == (1, 0)


async def test_a_refusal_is_a_value(provider: Provider) -> None:
    provider.refuse()

    result = await provider.gateway.send(outgoing(), may_start=Permission())

    assert isinstance(result, Rejected)
    assert result.code == REFUSED.code


async def test_a_provider_that_cannot_be_reached_is_a_value(provider: Provider) -> None:
    provider.cut_off()

    assert isinstance(await provider.gateway.send(outgoing(), may_start=Permission()), Unreachable | Uncertain)


# --- templates, numbers and histories ---------------------------------------------------------------------------------


async def test_a_created_template_waits_for_its_review_and_is_listed(provider: Provider) -> None:
    template = a_template()

    created = await provider.gateway.create_template(CONNECTION, template)

    assert (created.name, created.language, created.category) == (template.name, template.language, template.category)
    assert (created.status, created.components) == (TemplateStatus.PENDING, template.components)
    [listed] = await provider.gateway.list_templates(CONNECTION)
    assert (listed.external_id, listed.name, listed.status) == (created.external_id, created.name, created.status)


async def test_an_account_lists_its_numbers(provider: Provider) -> None:
    assert list(await provider.gateway.list_numbers(CONNECTION)) == [NUMBER]


async def test_a_provider_with_a_history_tells_what_became_of_a_message(provider: Provider) -> None:
    [receipt] = await provider.gateway.history(CONNECTION, PHONE_NUMBER_ID, WAMID)

    assert (receipt.kind, receipt.provider_message_id) == (ReceiptKind.DELIVERED, WAMID)
    assert receipt.occurred_at == a_receipt().occurred_at
    assert list(await provider.gateway.history(CONNECTION, PHONE_NUMBER_ID, "wamid.unknown")) == []


# --- setting up an account --------------------------------------------------------------------------------------------


async def test_an_account_that_is_well_shows_its_numbers(provider: Provider) -> None:
    inspection = await provider.setup.inspect(CONNECTION)

    assert inspection.ok
    assert inspection.numbers == (NUMBER,)


async def test_a_token_that_is_revoked_is_a_finding_and_shows_no_numbers(provider: Provider) -> None:
    provider.revoke()

    inspection = await provider.setup.inspect(CONNECTION)

    assert [(it.part, it.ok) for it in inspection.findings] == [("token", False)]
    assert inspection.numbers == ()


@pytest.mark.parametrize("url", ["https://hooks.example/1", None])
async def test_webhooks_go_where_they_are_wanted(provider: Provider, url: str | None) -> None:
    await provider.setup.subscribe(CONNECTION, webhook_url=url)

    assert provider.subscribed() == [url]


async def test_a_number_is_registered_with_its_pin(provider: Provider) -> None:
    await provider.setup.register_number(CONNECTION, PHONE_NUMBER_ID, "123456")

    assert provider.registered() == [(PHONE_NUMBER_ID, "123456")]


# --- webhooks ---------------------------------------------------------------------------------------------------------


class Hook(NamedTuple):
    """A provider's webhooks: a subscription check, a body with one event that is only kept, and its signature."""

    reader: WebhookReader
    check: Callable[[str], dict[str, str]]
    body: bytes
    signed: Callable[[bytes, str], dict[str, str]]


def meta_signed(body: bytes, secret: str) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


META_BODY = json.dumps(
    {"object": "whatsapp_business_account", "entry": [{"id": WABA_ID, "changes": [{"field": "flows", "value": {}}]}]}
).encode()
HOOKS = {
    "json": Hook(
        JsonReader(),
        lambda token: {"token": token, "challenge": "c"},
        b'["flows"]',
        lambda body, secret: {"x-signature": secret},
    ),
    "whatsapp_cloud": Hook(
        WhatsAppWebhookReader(),
        lambda token: {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "c"},
        META_BODY,
        meta_signed,
    ),
}


@pytest.fixture(params=list(HOOKS))
def hook(request: pytest.FixtureRequest) -> Hook:
    return HOOKS[request.param]


def test_a_subscription_check_is_answered_to_whoever_knows_the_token(hook: Hook) -> None:
    assert hook.reader.handshake(a_webhook(query=hook.check("let-me-in")), CREDENTIALS) == "c"
    assert hook.reader.handshake(a_webhook(query=hook.check("wrong")), CREDENTIALS) is None
    assert hook.reader.handshake(a_webhook(query={}), CREDENTIALS) is None


@pytest.mark.parametrize(("secret", "genuine"), [("old", True), ("s3cret", True), ("wrong", False)])
async def test_a_webhook_is_genuine_if_any_secret_signed_it(hook: Hook, secret: str, genuine: bool) -> None:
    request = a_webhook(hook.body, headers=hook.signed(hook.body, secret))

    assert await hook.reader.verify(request, CREDENTIALS, now=NOON) is genuine


async def test_a_webhook_without_a_signature_or_an_account_without_a_secret_proves_nothing(hook: Hook) -> None:
    signed = a_webhook(hook.body, headers=hook.signed(hook.body, "s3cret"))

    assert not await hook.reader.verify(a_webhook(hook.body), CREDENTIALS, now=NOON)
    assert not await hook.reader.verify(signed, Credentials(access_token="EAAtoken", app_secrets=()), now=NOON)


def test_a_body_is_read_into_its_events(hook: Hook) -> None:
    [event] = hook.reader.read(a_webhook(hook.body), received_at=NOON)

    assert isinstance(event, OtherEvent)
    assert event.kind == "flows"
    assert event.kind in hook.reader.kinds


def test_what_is_no_webhook_is_told_as_such(hook: Hook) -> None:
    with pytest.raises(MalformedWebhook):
        hook.reader.read(a_webhook(b"{}"), received_at=NOON)
