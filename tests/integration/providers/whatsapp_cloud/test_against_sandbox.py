"""Do the adapter and the sandbox provider, written apart from each other, understand one another?"""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import msgspec
import pytest

from messaging.adapters.http.client import ProviderHttp, Timeouts
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application.ports.providers.outcomes import ProviderRefused
from messaging.application.ports.providers.sending import Connection, NotStarted, Outgoing
from messaging.domain.channels.address import Phone
from messaging.domain.content.content import Content, TemplateMessage, Text
from messaging.domain.content.parameters import HeaderText, UrlButton
from messaging.domain.messages.retry import Rejected, Scope, SendResult, Sent, Throttled, Unavailable, Uncertain
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import (
    Button,
    ButtonKind,
    Components,
    Header,
    HeaderFormat,
    ParameterFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)
from messaging.entrypoints.sandbox import SandboxConfig, Settings, serving
from tests.integration.providers.whatsapp_cloud.connecting import a_gateway
from tests.integration.providers.whatsapp_cloud.sending import PHONE_ID, REFERENCE, TOKEN, WABA_ID, Permission

CONNECTION = Connection(
    mode=Mode.TEST, external_id=WABA_ID, credentials=Credentials(access_token=TOKEN, app_secrets=())
)
NOBODY = UUID(int=0)
ACCOUNT = {
    "waba_id": WABA_ID,
    "access_token": TOKEN,
    "app_secret": "secret",
    "webhook_url": "http://127.0.0.1:9/unused",
    "phone_numbers": [{"id": PHONE_ID, "display_phone_number": "+1 555 078 3881"}],
}


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    settings = Settings(review_delay_ms=1, hang_max_ms=2_000)
    async with serving(SandboxConfig(state_dir=tmp_path_factory.mktemp("sandbox"), settings=settings)) as url:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as control:
            answer = await control.post("/_control/accounts", json=ACCOUNT)
            assert answer.is_success, answer.text
        yield url


@pytest.fixture(scope="module")
async def gateway(sandbox: str) -> AsyncIterator[WhatsAppCloudGateway]:
    http = ProviderHttp(timeouts=Timeouts(read=0.5, answer=1.0))
    yield a_gateway(http, live="http://live.invalid", sandbox=sandbox)
    await http.aclose()


def a_template(name: str, components: Components, **changes: object) -> Template:
    template = Template(
        id=TemplateId(NOBODY),
        tenant_id=TenantId(NOBODY),
        account_id=AccountId(NOBODY),
        name=name,
        language="en_US",
        category=TemplateCategory.UTILITY,
        parameter_format=ParameterFormat.POSITIONAL,
        components=components,
        status=TemplateStatus.PENDING,
    )
    return msgspec.structs.replace(template, **changes)


POSITIONAL = a_template(
    "order_update",
    Components(
        body="Hi {{1}}, your order {{2}} has left our house today.",
        header=Header(format=HeaderFormat.TEXT, text="Order {{1}} is on its way", example="A-1"),
        footer="Acme Ltd",
        buttons=(Button(kind=ButtonKind.URL, text="Track", url="https://x.example/t/{{1}}", example="abc"),),
        examples={"1": "Ana", "2": "A-1"},
    ),
)
NAMED = a_template(
    "order_named",
    Components(
        body="Hi {{first_name}}, your order {{order_id}} has left our house today.",
        examples={"first_name": "Ana", "order_id": "A-1"},
    ),
    parameter_format=ParameterFormat.NAMED,
)
CODE = a_template(
    "login_code",
    Components(body="", buttons=(Button(kind=ButtonKind.OTP, text="Copy code"),)),
    category=TemplateCategory.AUTHENTICATION,
)


@pytest.fixture(scope="module")
async def approved(gateway: WhatsAppCloudGateway) -> dict[str, Template]:
    """The templates above, created through the adapter and reviewed."""
    for template in (POSITIONAL, NAMED, CODE):
        await gateway.create_template(CONNECTION, template)
    async with asyncio.timeout(60):
        while any(t.status is not TemplateStatus.APPROVED for t in await gateway.list_templates(CONNECTION)):
            await asyncio.sleep(0.01)
    return {template.name: template for template in (POSITIONAL, NAMED, CODE)}


async def send(
    gateway: WhatsAppCloudGateway, content: Content, *, to: str = "+14155557000", template: Template | None = None
) -> SendResult | NotStarted:
    outgoing = Outgoing(
        connection=CONNECTION,
        sender_external_id=PHONE_ID,
        recipient=Phone(to),
        content=content,
        template=template,
        reference=REFERENCE,
    )
    return await gateway.send(outgoing, may_start=Permission())


async def test_templates_survive_the_way_there_and_back(
    gateway: WhatsAppCloudGateway, approved: dict[str, Template]
) -> None:
    listed = {template.name: template for template in await gateway.list_templates(CONNECTION)}

    url = Button(kind=ButtonKind.URL, text="Track", url="https://x.example/t/{{1}}", example="https://x.example/t/abc")
    assert listed["order_update"].components == msgspec.structs.replace(POSITIONAL.components, buttons=(url,))
    assert listed["order_named"].components == NAMED.components
    assert listed["order_named"].parameter_format is ParameterFormat.NAMED
    assert listed["login_code"].category is TemplateCategory.AUTHENTICATION
    assert [button.kind for button in listed["login_code"].components.buttons] == [ButtonKind.OTP]
    assert all(template.external_id for template in listed.values())


async def test_each_kind_of_template_send_is_taken_and_in_the_ledger(
    gateway: WhatsAppCloudGateway, sandbox: str, approved: dict[str, Template]
) -> None:
    sends = [
        TemplateMessage(
            name="order_update",
            language="en_US",
            variables={"1": "Ana", "2": "A-1042"},
            header=HeaderText(text="A-1042"),
            buttons=(UrlButton(index=0, text="a b:c"),),
        ),
        TemplateMessage(name="order_named", language="en_US", variables={"order_id": "A-1", "first_name": "Ana"}),
        TemplateMessage(name="login_code", language="en_US", variables={"1": "482913"}),
    ]

    results = [await send(gateway, content, template=approved[content.name]) for content in sends]

    assert all(isinstance(result, Sent) for result in results), results
    async with httpx.AsyncClient(trust_env=False) as control:
        ledger = (await control.get(f"{sandbox}/_ledger")).json()["data"]
    accepted = {entry["message_id"]: entry["reference"] for entry in ledger}
    assert [accepted[result.provider_message_id] for result in results if isinstance(result, Sent)] == [REFERENCE] * 3


async def test_a_template_meta_would_not_take_is_refused_with_its_reason(gateway: WhatsAppCloudGateway) -> None:
    leading = a_template("leading", Components(body="{{1}} is at the start.", examples={"1": "x"}))

    with pytest.raises(ProviderRefused, match="A variable stands at the start or end"):
        await gateway.create_template(CONNECTION, leading)


async def test_numbers_are_listed(gateway: WhatsAppCloudGateway) -> None:
    (number,) = await gateway.list_numbers(CONNECTION)

    assert (number.external_id, number.address, number.per_second) == (PHONE_ID, "+15550783881", 80)


async def test_free_form_outside_the_window_is_refused(gateway: WhatsAppCloudGateway) -> None:
    result = await send(gateway, Text(body="hello"))

    assert isinstance(result, Rejected)
    assert result.code == "131047"


@pytest.mark.parametrize(
    ("ending", "expected", "scope"),
    [
        ("20", Rejected, Scope.MESSAGE),
        ("24", Throttled, Scope.SENDER),
        ("25", Throttled, Scope.RECIPIENT),
        ("27", Throttled, Scope.ACCOUNT),
        ("30", Unavailable, Scope.CREDENTIAL),
        ("33", Rejected, Scope.ACCOUNT),
        ("38", Rejected, Scope.SENDER),
        ("40", Uncertain, None),
        ("42", Uncertain, None),
        ("44", Unavailable, Scope.SENDER),
        ("45", Uncertain, None),
        ("46", Uncertain, None),
        ("51", Uncertain, None),
        ("52", Uncertain, None),
        ("53", Uncertain, None),
        ("57", Uncertain, None),
    ],
)
async def test_magic_recipients_end_in_their_verdict(
    gateway: WhatsAppCloudGateway,
    approved: dict[str, Template],
    ending: str,
    expected: type[SendResult],
    scope: Scope | None,
) -> None:
    content = TemplateMessage(name="login_code", language="en_US", variables={"1": "482913"})

    result = await send(gateway, content, to=f"+141555501{ending}", template=approved["login_code"])

    assert isinstance(result, expected)
    assert getattr(result, "scope", None) is scope


@pytest.mark.parametrize("ending", ["54", "55", "56"])
async def test_a_damaged_success_was_most_likely_sent(
    gateway: WhatsAppCloudGateway, approved: dict[str, Template], ending: str
) -> None:
    content = TemplateMessage(name="login_code", language="en_US", variables={"1": "482913"})

    result = await send(gateway, content, to=f"+141555501{ending}", template=approved["login_code"])

    assert isinstance(result, Uncertain)
    assert result.likely_sent
