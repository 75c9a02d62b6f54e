"""Do templates and numbers translate both ways, and do refusals come out as what they are?"""

from collections.abc import AsyncIterator, Iterator
from datetime import date
from uuid import UUID

import msgspec
import pytest
import respx

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.wire.versions import version_warning
from messaging.application.ports.providers.numbers import ProviderNumber
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
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
from tests.integration.providers.whatsapp_cloud.connecting import a_gateway
from tests.integration.providers.whatsapp_cloud.payloads import parsed, recorded
from tests.integration.providers.whatsapp_cloud.sending import TOKEN, WABA_ID, a_connection

LIVE = "https://graph.facebook.com"
TEMPLATES = f"{LIVE}/v25.0/{WABA_ID}/message_templates"
NUMBERS = f"{LIVE}/v25.0/{WABA_ID}/phone_numbers"
NOBODY = UUID(int=0)


@pytest.fixture
async def gateway() -> AsyncIterator[WhatsAppCloudGateway]:
    http = ProviderHttp()
    yield a_gateway(http, live=LIVE)
    await http.aclose()


@pytest.fixture
def meta() -> Iterator[respx.MockRouter]:
    with respx.mock(using="httpx", assert_all_called=False) as router:
        yield router


def a_template(components: Components, **changes: object) -> Template:
    template = Template(
        id=TemplateId(NOBODY),
        tenant_id=TenantId(NOBODY),
        account_id=AccountId(NOBODY),
        name="order_update",
        language="en_US",
        category=TemplateCategory.UTILITY,
        parameter_format=ParameterFormat.POSITIONAL,
        components=components,
        status=TemplateStatus.PENDING,
    )
    return msgspec.structs.replace(template, **changes)


async def test_templates_are_listed_over_all_pages_without_following_links(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    meta.get(TEMPLATES, params={"after": "MjQZD"}).respond(200, content=recorded("templates_page_2"))
    meta.get(TEMPLATES).respond(200, content=recorded("templates_page_1"))

    order, login, promo = await gateway.list_templates(a_connection())

    assert {call.request.url.host for call in meta.calls} == {"graph.facebook.com"}
    assert meta.calls.last.request.headers["authorization"] == f"Bearer {TOKEN}"
    assert (order.external_id, order.status, order.category) == (
        "594425479261596",
        TemplateStatus.APPROVED,
        TemplateCategory.UTILITY,
    )
    assert (order.parameter_format, order.quality, order.rejected_reason) == (ParameterFormat.NAMED, "GREEN", None)
    assert order.components == Components(
        body="Hi {{first_name}}, order {{order_number}} has shipped today.",
        header=Header(format=HeaderFormat.TEXT, text="Order {{order_id}}", example="A1"),
        footer="Acme Ltd",
        buttons=(
            Button(kind=ButtonKind.QUICK_REPLY, text="Stop updates"),
            Button(
                kind=ButtonKind.URL,
                text="Track",
                url="https://x.example/t/{{1}}",
                example="https://x.example/t/abc",
            ),
            Button(kind=ButtonKind.PHONE_NUMBER, text="Call", phone_number="+15550051310"),
            Button(kind=ButtonKind.OTHER, text="Book"),
        ),
        examples={"first_name": "Pablo", "order_number": "A1"},
    )
    assert login.components.buttons[0].kind is ButtonKind.OTP
    assert (login.status, login.components.examples) == (TemplateStatus.PENDING, {"1": "123456"})
    assert (promo.status, promo.category) == (TemplateStatus.OTHER, TemplateCategory.MARKETING)
    assert promo.components.header == Header(format=HeaderFormat.IMAGE, example="https://scontent.example/x")


async def test_a_list_that_never_ends_is_given_up(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    pages = iter(range(1000))
    endless = {"data": [], "paging": {"next": "x"}}
    meta.get(TEMPLATES).mock(
        side_effect=lambda _: respx.MockResponse(
            200, json=endless | {"paging": {"next": "x", "cursors": {"after": str(next(pages))}}}
        )
    )

    with pytest.raises(ProviderUnavailable, match="does not end"):
        await gateway.list_templates(a_connection())


async def test_a_template_is_created_with_positional_examples(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    created = meta.post(TEMPLATES).respond(
        200, json={"id": "572279198452421", "status": "PENDING", "category": "UTILITY"}
    )
    components = Components(
        body="Hi {{1}}, order {{2}} has shipped today.",
        header=Header(format=HeaderFormat.TEXT, text="Order {{1}}", example="A1"),
        footer="Acme Ltd",
        buttons=(
            Button(kind=ButtonKind.QUICK_REPLY, text="Stop"),
            Button(kind=ButtonKind.URL, text="Track", url="https://x.example/t/{{1}}", example="abc"),
            Button(kind=ButtonKind.PHONE_NUMBER, text="Call", phone_number="+15550051310"),
        ),
        examples={"2": "A1", "1": "Pablo"},
    )

    result = await gateway.create_template(a_connection(), a_template(components))

    assert msgspec.json.decode(created.calls.last.request.content) == {
        "name": "order_update",
        "language": "en_US",
        "category": "UTILITY",
        "parameter_format": "POSITIONAL",
        "components": [
            {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}", "example": {"header_text": ["A1"]}},
            {
                "type": "BODY",
                "text": "Hi {{1}}, order {{2}} has shipped today.",
                "example": {"body_text": [["Pablo", "A1"]]},
            },
            {"type": "FOOTER", "text": "Acme Ltd"},
            {
                "type": "BUTTONS",
                "buttons": [
                    {"type": "QUICK_REPLY", "text": "Stop"},
                    {
                        "type": "URL",
                        "text": "Track",
                        "url": "https://x.example/t/{{1}}",
                        "example": ["https://x.example/t/abc"],
                    },
                    {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550051310"},
                ],
            },
        ],
    }
    assert (result.external_id, result.status, result.components) == (
        "572279198452421",
        TemplateStatus.PENDING,
        components,
    )


async def test_named_examples_media_headers_and_one_time_codes_are_spelled_as_meta_wants(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    created = meta.post(TEMPLATES).respond(200, json={"id": "1", "status": "PENDING"})
    named = a_template(
        Components(
            body="Hi {{first_name}}, see above.",
            header=Header(format=HeaderFormat.DOCUMENT, example="4::aW"),
            examples={"first_name": "Pablo"},
        ),
        parameter_format=ParameterFormat.NAMED,
    )
    code = a_template(
        Components(body="", buttons=(Button(kind=ButtonKind.OTP, text="Copy code"),)),
        category=TemplateCategory.AUTHENTICATION,
    )

    await gateway.create_template(a_connection(), named)
    first = msgspec.json.decode(created.calls.last.request.content)
    await gateway.create_template(a_connection(), code)
    second = msgspec.json.decode(created.calls.last.request.content)

    assert first["components"] == [
        {"type": "HEADER", "format": "DOCUMENT", "example": {"header_handle": ["4::aW"]}},
        {
            "type": "BODY",
            "text": "Hi {{first_name}}, see above.",
            "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Pablo"}]},
        },
    ]
    assert second["components"] == [
        {"type": "BODY", "add_security_recommendation": True},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "text": "Copy code", "otp_type": "COPY_CODE"}]},
    ]


async def test_a_refusal_tells_metas_reason_and_our_advice(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    meta.post(TEMPLATES).respond(400, content=recorded("error_template_create"))

    with pytest.raises(ProviderRefused) as refused:
        await gateway.create_template(a_connection(), a_template(Components(body="{{1}}")))

    assert refused.value.code == "provider_refused"
    assert "too many variables for its length" in refused.value.detail
    assert "Use more text, fewer variables." in refused.value.detail


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b'{"error":{"code":2,"message":"Service temporarily unavailable"}}'),
        (400, b'{"error":{"code":80008,"message":"Too many calls"}}'),
        (502, b"<html>"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
    ],
)
async def test_no_usable_answer_is_unavailable(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter, status: int, body: bytes
) -> None:
    meta.post(TEMPLATES).respond(status, content=body)

    with pytest.raises(ProviderUnavailable) as unavailable:
        await gateway.create_template(a_connection(), a_template(Components(body="x")))

    assert unavailable.value.code == "provider_unavailable"


async def test_numbers_bring_their_throughput(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    meta.get(NUMBERS).respond(200, json=parsed("numbers"))

    numbers = await gateway.list_numbers(a_connection())

    assert numbers == [
        ProviderNumber(external_id="106540352242922", address="+15550783881", name="Lucky Shrub", per_second=80),
        ProviderNumber(
            external_id="106540352242923", address="+15550783882", name="Lucky Shrub Campaigns", per_second=1000
        ),
        ProviderNumber(external_id="106540352242924", address="+551155550100", name="Shared", per_second=20),
    ]


async def test_an_expired_token_is_refused_with_advice(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    meta.get(NUMBERS).respond(401, json={"error": {"code": 190, "message": "Error validating access token"}})

    with pytest.raises(ProviderRefused, match="Create a new system-user token"):
        await gateway.list_numbers(a_connection())


def test_the_operator_is_warned_before_a_version_ends() -> None:
    ends = date(2028, 7, 29)

    assert version_warning("v25.0", date(2026, 11, 20)) is None
    assert "expires on 2028-07-29" in (version_warning("v25.0", date(2028, 6, 1)) or "")
    assert "expired on 2028-07-29" in (version_warning("v25.0", ends) or "")
    assert "expired" in (version_warning("v20.0", date(2026, 11, 20)) or "")
    assert version_warning("v31.0", ends) is None
