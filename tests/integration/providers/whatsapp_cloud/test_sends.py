"""Which request does a message become, and which value does each answer become?"""

import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import respx

from messaging.adapters.http.client import ProviderHttp, Reply
from messaging.adapters.providers.error_codes import Kind
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.wire import errors
from messaging.adapters.providers.whatsapp_cloud.wire.verdicts import async_failure, judge
from messaging.application.ports.providers.sending import NotStarted
from messaging.domain.channels.address import ScopedUser
from messaging.domain.content.content import Content, Document, Image, TemplateMessage, Text
from messaging.domain.content.parameters import (
    HeaderDocument,
    HeaderImage,
    HeaderText,
    HeaderVideo,
    QuickReplyButton,
    UrlButton,
)
from messaging.domain.messages.retry import Rejected, Scope, Sent, Throttled, Unavailable, Uncertain, Unreachable
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
from tests.integration.providers.whatsapp_cloud.connecting import a_gateway
from tests.integration.providers.whatsapp_cloud.payloads import parsed, recorded
from tests.integration.providers.whatsapp_cloud.sending import (
    PHONE_ID,
    REFERENCE,
    TOKEN,
    Permission,
    a_connection,
    an_outgoing,
)

LIVE, SANDBOX = "https://graph.facebook.com", "http://sandbox.local"
SEND_URL = f"{LIVE}/v25.0/{PHONE_ID}/messages"
NOBODY = UUID(int=0)


@pytest.fixture
async def gateway() -> AsyncIterator[WhatsAppCloudGateway]:
    http = ProviderHttp()
    yield a_gateway(http, live=f"{LIVE}/", sandbox=SANDBOX, version="v25.0")
    await http.aclose()


@pytest.fixture
def meta() -> Iterator[respx.MockRouter]:
    with respx.mock(using="httpx", assert_all_called=False) as router:
        router.post(SEND_URL).respond(200, content=recorded("send_accepted"))
        yield router


def a_template(
    components: Components,
    *,
    parameter_format: ParameterFormat = ParameterFormat.POSITIONAL,
    category: TemplateCategory = TemplateCategory.UTILITY,
) -> Template:
    return Template(
        id=TemplateId(NOBODY),
        tenant_id=TenantId(NOBODY),
        account_id=AccountId(NOBODY),
        name="order_update",
        language="en_US",
        category=category,
        parameter_format=parameter_format,
        components=components,
        status=TemplateStatus.APPROVED,
    )


async def sent_body(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter, content: Content, template: Template | None = None
) -> dict[str, Any]:
    result = await gateway.send(an_outgoing(content, template=template), may_start=Permission())
    assert isinstance(result, Sent)
    body: dict[str, Any] = msgspec.json.decode(meta.calls.last.request.content)
    return body


# --- the request ----------------------------------------------------------------------------------------------------


async def test_a_text_goes_to_the_senders_messages_with_our_reference(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    permission = Permission()

    result = await gateway.send(
        an_outgoing(Text(body="See https://example.com", preview_url=True)), may_start=permission
    )

    request = meta.calls.last.request
    assert str(request.url) == SEND_URL
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert msgspec.json.decode(request.content) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+16505551234",
        "type": "text",
        "text": {"body": "See https://example.com", "preview_url": True},
        "biz_opaque_callback_data": REFERENCE,
    }
    assert permission.asked == 1
    assert result == Sent(
        provider_message_id="wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA", recipient_id="16505551234"
    )


async def test_a_person_without_a_number_is_addressed_by_the_scoped_id(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    meta.post(SEND_URL).respond(200, content=recorded("send_accepted_user_id"))
    user = ScopedUser("US.13491208655302741918")

    result = await gateway.send(an_outgoing(recipient=user), may_start=Permission())

    body = msgspec.json.decode(meta.calls.last.request.content)
    assert body["recipient"] == user.value
    assert "to" not in body
    assert result == Sent(provider_message_id="wamid.BSUID", recipient_id=user.value)


async def test_test_traffic_goes_to_the_sandbox_only(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    sandbox = meta.post(f"{SANDBOX}/v25.0/{PHONE_ID}/messages").respond(200, content=recorded("send_accepted"))

    await gateway.send(an_outgoing(connection=a_connection(mode=Mode.TEST)), may_start=Permission())

    assert sandbox.call_count == 1
    assert meta.calls.call_count == 1


async def test_media_goes_by_link_or_by_id(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    image = await sent_body(gateway, meta, Image(link="https://cdn.example.com/a.jpg", caption="A"))
    document = await sent_body(gateway, meta, Document(media_id="1376", filename="order.pdf", caption="Your order"))
    bare = await sent_body(gateway, meta, Document(link="https://cdn.example.com/a.pdf"))

    assert (image["type"], image["image"]) == ("image", {"link": "https://cdn.example.com/a.jpg", "caption": "A"})
    assert document["document"] == {"id": "1376", "filename": "order.pdf", "caption": "Your order"}
    assert bare["document"] == {"link": "https://cdn.example.com/a.pdf"}


async def test_positional_variables_go_in_numeric_order(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    names = [str(n) for n in range(1, 12)]
    variables = {name: f"v{name}" for name in reversed(names)}
    template = a_template(Components(body=" x ".join(f"{{{{{name}}}}}" for name in names)))

    body = await sent_body(
        gateway, meta, TemplateMessage(name="order_update", language="en_US", variables=variables), template
    )

    assert body["template"] == {
        "name": "order_update",
        "language": {"policy": "deterministic", "code": "en_US"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "text": f"v{name}"} for name in names]},
        ],
    }


async def test_named_variables_carry_their_names_in_header_and_body(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    template = a_template(
        Components(
            body="Hi {{first_name}}, it left.", header=Header(format=HeaderFormat.TEXT, text="Order {{order_id}}")
        ),
        parameter_format=ParameterFormat.NAMED,
    )
    content = TemplateMessage(
        name="order_update", language="en_US", variables={"first_name": "Ana"}, header=HeaderText(text="A-1")
    )

    body = await sent_body(gateway, meta, content, template)

    assert body["template"]["components"] == [
        {"type": "header", "parameters": [{"type": "text", "text": "A-1", "parameter_name": "order_id"}]},
        {"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ana"}]},
    ]


@pytest.mark.parametrize(
    ("header", "parameter"),
    [
        (HeaderText(text="A-1"), {"type": "text", "text": "A-1"}),
        (HeaderImage(media_id="5"), {"type": "image", "image": {"id": "5"}}),
        (HeaderVideo(link="https://e.example/v"), {"type": "video", "video": {"link": "https://e.example/v"}}),
        (
            HeaderDocument(media_id="6", filename="bill.pdf"),
            {"type": "document", "document": {"id": "6", "filename": "bill.pdf"}},
        ),
    ],
)
async def test_each_kind_of_header_value(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter, header: Any, parameter: dict[str, Any]
) -> None:
    content = TemplateMessage(name="order_update", language="en_US", header=header)

    body = await sent_body(gateway, meta, content, a_template(Components(body="x")))

    assert body["template"]["components"] == [{"type": "header", "parameters": [parameter]}]


async def test_buttons_go_by_index_and_url_suffixes_are_encoded(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    template = a_template(
        Components(
            body="x",
            buttons=(
                Button(kind=ButtonKind.QUICK_REPLY, text="Stop"),
                Button(kind=ButtonKind.URL, text="Track", url="https://x.example/{{1}}"),
            ),
        )
    )
    content = TemplateMessage(
        name="order_update",
        language="en_US",
        buttons=(UrlButton(index=1, text="a b%20c:é|100%/d?e=f"), QuickReplyButton(index=0, payload="STOP")),
    )

    body = await sent_body(gateway, meta, content, template)

    assert body["template"]["components"] == [
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": "STOP"}],
        },
        {
            "type": "button",
            "sub_type": "url",
            "index": "1",
            "parameters": [{"type": "text", "text": "a%20b%20c%3A%C3%A9%7C100%25/d?e=f"}],
        },
    ]


async def test_a_one_time_code_is_repeated_for_its_button(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    template = a_template(
        Components(body="", buttons=(Button(kind=ButtonKind.OTP, text="Copy code"),)),
        category=TemplateCategory.AUTHENTICATION,
    )

    body = await sent_body(
        gateway, meta, TemplateMessage(name="login_code", language="en_US", variables={"1": "482913"}), template
    )

    assert body["template"]["components"] == [
        {"type": "body", "parameters": [{"type": "text", "text": "482913"}]},
        {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "482913"}]},
    ]


@pytest.mark.parametrize("token", ["", "a\r\nX-Evil: 1", "tokén", "a\x00b"])
async def test_a_token_that_fits_no_header_is_never_used(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter, token: str
) -> None:
    permission = Permission()

    result = await gateway.send(an_outgoing(connection=a_connection(token=token)), may_start=permission)

    assert isinstance(result, Unreachable)
    assert result.code == "credential_malformed"
    assert permission.asked == 0
    assert meta.calls.call_count == 0


async def test_a_withheld_permission_is_kept_through_a_replaced_transport(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    permission = Permission(allow=False)

    assert await gateway.send(an_outgoing(), may_start=permission) == NotStarted()
    assert permission.asked == 1
    assert meta.calls.call_count == 0


def test_a_version_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="Not a Graph API version"):
        a_gateway(ProviderHttp(), live=LIVE, sandbox=SANDBOX, version="25")


# --- the answer -----------------------------------------------------------------------------------------------------


def a_reply(
    status: int,
    error: dict[str, Any] | None = None,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    content = msgspec.json.encode({"error": error}) if body is None else body
    return Reply(status=status, headers=headers or {}, body=content)


def usage(*minutes: int) -> dict[str, str]:
    uses = [{"type": "whatsapp", "estimated_time_to_regain_access": each} for each in minutes]
    return {"x-business-use-case-usage": msgspec.json.encode({"102290129340398": uses}).decode()}


async def test_a_paced_template_is_accepted_and_held(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    meta.post(SEND_URL).respond(200, content=recorded("send_held"))

    result = await gateway.send(an_outgoing(), may_start=Permission())

    assert result == Sent(provider_message_id="wamid.HELD", recipient_id="16505551234", held=True)


async def test_throughput_is_a_throttle_of_the_sender(gateway: WhatsAppCloudGateway, meta: respx.MockRouter) -> None:
    meta.post(SEND_URL).respond(429, content=recorded("error_throughput"), headers={"Retry-After": "7"})

    result = await gateway.send(an_outgoing(), may_start=Permission())

    assert isinstance(result, Throttled)
    assert (result.code, result.scope, result.retry_after) == ("130429", Scope.SENDER, timedelta(seconds=7))
    assert "Cloud API message throughput has been reached." in result.reason
    assert "Az8or2yhqkZfEZ-_4Qn_Bam" in result.reason


@pytest.mark.parametrize(
    ("status", "code", "expected", "scope"),
    [
        (400, 100, Rejected, Scope.MESSAGE),
        (400, 131026, Rejected, Scope.MESSAGE),
        (400, 131047, Rejected, Scope.MESSAGE),
        (404, 132001, Rejected, Scope.TEMPLATE),
        (400, 132015, Rejected, Scope.TEMPLATE),
        (400, 131042, Rejected, Scope.ACCOUNT),
        (400, 133010, Rejected, Scope.SENDER),
        (500, 131045, Rejected, Scope.SENDER),
        (401, 190, Unavailable, Scope.CREDENTIAL),
        (400, 190, Unavailable, Scope.CREDENTIAL),
        (401, 0, Unavailable, Scope.CREDENTIAL),
        (403, 10, Unavailable, Scope.CREDENTIAL),
        (403, 219, Unavailable, Scope.CREDENTIAL),
        (403, 131005, Unavailable, Scope.CREDENTIAL),
        (500, 131057, Unavailable, Scope.SENDER),
        (400, 4, Throttled, Scope.ACCOUNT),
        (400, 80007, Throttled, Scope.ACCOUNT),
        (400, 131048, Throttled, Scope.SENDER),
        (400, 131056, Throttled, Scope.RECIPIENT),
        (400, 130429, Throttled, Scope.SENDER),
    ],
)
def test_a_known_code_decides_whatever_the_status(
    status: int, code: int, expected: type[Rejected | Unavailable | Throttled], scope: Scope
) -> None:
    result = judge(a_reply(status, {"code": code, "message": "said"}))

    assert isinstance(result, expected)
    assert (result.code, result.scope, result.http_status) == (str(code), scope, status)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(a_reply(500, {"code": 1}), id="1"),
        pytest.param(a_reply(400, {"code": 1}), id="1 with a 400"),
        pytest.param(a_reply(503, {"code": 2}), id="2"),
        pytest.param(a_reply(500, {"code": 131000}), id="131000"),
        pytest.param(a_reply(500, {"code": 131016}), id="131016"),
        pytest.param(a_reply(500, {"code": 999_999}), id="unlisted 5xx"),
        pytest.param(a_reply(500, body=b""), id="bare 500"),
        pytest.param(a_reply(502, body=b"<html>Bad gateway</html>"), id="proxy's 502"),
        pytest.param(a_reply(504, body=b"upstream timed out"), id="proxy's 504"),
        pytest.param(a_reply(408, body=b""), id="408"),
        pytest.param(a_reply(400, body=b"<html>"), id="400 of somebody else"),
        pytest.param(a_reply(404, body=b"[]"), id="404 of somebody else"),
        pytest.param(a_reply(302, body=b""), id="redirect"),
        pytest.param(Reply(status=400, headers={}, body=None, flaw="cut"), id="cut 400"),
    ],
)
def test_whatever_does_not_prove_a_refusal_is_uncertain(reply: Reply) -> None:
    result = judge(reply)

    assert isinstance(result, Uncertain)
    assert not result.likely_sent
    assert result.http_status == reply.status


def test_an_unlisted_code_with_a_4xx_is_refused_and_flagged(caplog: pytest.LogCaptureFixture) -> None:
    result = judge(a_reply(400, {"code": 999_999, "message": "New in 2031"}))

    assert isinstance(result, Rejected)
    assert (result.code, result.scope) == ("999999", Scope.MESSAGE)
    assert [record.message for record in caplog.records] == ["whatsapp_cloud.unlisted_error"]


def test_an_unlisted_code_that_calls_itself_transient_is_tried_again() -> None:
    result = judge(a_reply(400, {"code": 999_999, "is_transient": True}))

    assert isinstance(result, Unavailable)


@pytest.mark.parametrize(("status", "expected"), [(401, Unavailable), (429, Throttled)])
def test_two_statuses_speak_for_themselves(status: int, expected: type[Unavailable | Throttled]) -> None:
    assert isinstance(judge(a_reply(status, body=b"<html>")), expected)
    assert isinstance(judge(a_reply(status, {"code": 999_999})), expected)


def test_a_general_code_is_refined_by_its_subcode() -> None:
    gone = judge(a_reply(400, {"code": 100, "error_subcode": 33}))
    number = judge(a_reply(400, {"code": 100, "error_data": {"details": "Unsupported phone number id"}}))
    throughput = judge(a_reply(400, {"code": 130429, "error_subcode": 33}))

    assert isinstance(gone, Rejected)
    assert (gone.code, gone.scope) == ("33", Scope.SENDER)
    assert isinstance(number, Rejected)
    assert (number.code, number.scope) == ("100", Scope.SENDER)
    assert isinstance(throughput, Throttled)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, timedelta(seconds=300)),
        ({"retry-after": "90"}, timedelta(seconds=90)),
        ({"retry-after": "0"}, timedelta(seconds=1)),
        ({"retry-after": "999999999999"}, timedelta(days=1)),
        ({"retry-after": "soon"}, timedelta(seconds=300)),
        ({"retry-after": "-5"}, timedelta(seconds=300)),
        (usage(3, 12), timedelta(minutes=12)),
        (usage(0), timedelta(seconds=300)),
        ({"x-business-use-case-usage": "[[[["}, timedelta(seconds=300)),
        ({"x-business-use-case-usage": '{"1":7}'}, timedelta(seconds=300)),
    ],
)
def test_a_throttle_waits_as_told(headers: dict[str, str], wait: timedelta) -> None:
    result = judge(a_reply(400, {"code": 80007}, headers=headers))

    assert isinstance(result, Throttled)
    assert result.retry_after == wait


def test_retry_after_may_be_a_date() -> None:
    until = datetime.now(UTC) + timedelta(minutes=10)

    result = judge(a_reply(400, {"code": 130429}, headers={"retry-after": format_datetime(until, usegmt=True)}))

    assert isinstance(result, Throttled)
    assert timedelta(minutes=9) < result.retry_after <= timedelta(minutes=10)


@pytest.mark.parametrize("data", [None, "plain text", {"details": "an object"}, {"details": 7}, [], 5])
def test_the_errors_details_may_have_any_shape(data: Any) -> None:
    result = judge(a_reply(400, {"code": 131009, "message": "(#131009)", "error_data": data}))

    assert isinstance(result, Rejected)


def test_reasons_name_no_number_and_no_control_character() -> None:
    error = {"code": 131009, "error_data": {"details": "To\u0000 +1 (650) 555-1234\nor 16505551234 failed"}}

    result = judge(a_reply(400, error))

    assert isinstance(result, Rejected)
    assert result.reason == "A parameter's value is not valid. To … or … failed"


def test_a_failed_receipts_error_explains_itself() -> None:
    listed = parsed("webhook_statuses")["entry"][0]["changes"][1]["value"]["statuses"][0]["errors"][0]

    error = async_failure(listed)

    assert error.code == "131049"
    assert error.reason.startswith("Held back by Meta: this person gets enough marketing already.")
    assert "16505551234" not in error.reason
    assert async_failure(None).code == "unspecified"
    assert async_failure({"code": 424242, "title": "Brand new"}).reason == "Brand new"


# --- the table ------------------------------------------------------------------------------------------------------


def test_every_line_of_the_table_says_what_it_means_and_what_to_do() -> None:
    for entry in errors.TABLE:
        assert entry.title, entry.codes
        assert not entry.title.endswith("."), entry.codes
        assert entry.advice.endswith("."), entry.codes
        assert entry.codes[0] <= entry.codes[1]
        waits = entry.kind in (Kind.TRANSIENT, Kind.THROTTLED)
        assert (entry.wait is not None) is waits, entry.codes


def test_no_code_is_listed_twice() -> None:
    spans = sorted(entry.codes for entry in errors.TABLE)

    assert all(earlier[1] < later[0] for earlier, later in itertools.pairwise(spans))


def test_advice_is_found_by_the_code_a_failure_carries() -> None:
    assert errors.advice("131047") is not None
    assert errors.title("250") == errors.title("200")
    assert errors.advice("not_sent") is None
    assert errors.advice("424242") is None


async def test_a_replaced_transport_that_fails_counts_as_started(
    gateway: WhatsAppCloudGateway, meta: respx.MockRouter
) -> None:
    meta.post(SEND_URL).mock(side_effect=httpx.ReadTimeout)

    result = await gateway.send(an_outgoing(), may_start=Permission())

    assert isinstance(result, Uncertain)
