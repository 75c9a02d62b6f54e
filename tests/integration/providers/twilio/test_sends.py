"""The request that a message becomes, and the value that each answer becomes."""

import base64
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from urllib.parse import parse_qsl

import httpx
import pytest
import respx

from messaging.adapters.http.client import ProviderHttp, Reply
from messaging.adapters.providers.error_codes import Kind
from messaging.adapters.providers.twilio.credentials import Credentials
from messaging.adapters.providers.twilio.wire import errors
from messaging.adapters.providers.twilio.wire.verdicts import judge
from messaging.application.ports.providers.sending import NotStarted, ProviderGateway
from messaging.domain.channels.address import ScopedUser
from messaging.domain.content.content import Content, Document, Image, TemplateMessage, Text
from messaging.domain.messages.retry import (
    Rejected,
    Scope,
    SendResult,
    Sent,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
)
from messaging.domain.shared.mode import Mode
from tests.integration.providers.twilio.sending import (
    ACCOUNT,
    API_KEY,
    HOOKS,
    NUMBER,
    PATH,
    REFERENCE,
    SEND_URL,
    SERVICE,
    TOKEN,
    Permission,
    a_connection,
    an_adapter,
    an_outgoing,
)

SID = "SM" + "1" * 32
ACCEPTED = {"sid": SID, "status": "queued", "num_segments": "0", "from": None}


@pytest.fixture
async def gateway() -> AsyncIterator[ProviderGateway]:
    http = ProviderHttp()
    yield an_adapter(http).gateway
    await http.aclose()


@pytest.fixture
def twilio() -> Iterator[respx.MockRouter]:
    with respx.mock(using="httpx", assert_all_called=False) as router:
        router.post(SEND_URL).respond(201, json=ACCEPTED)
        yield router


def form(twilio: respx.MockRouter) -> list[tuple[str, str]]:
    return parse_qsl(twilio.calls.last.request.content.decode(), keep_blank_values=True)


# --- the request ----------------------------------------------------------------------------------------------------


async def test_a_text_goes_to_the_accounts_messages_with_our_reference_in_the_webhooks_url(
    gateway: ProviderGateway, twilio: respx.MockRouter
) -> None:
    permission = Permission()

    result = await gateway.send(an_outgoing(Text(body="Schönen Tag & 100 % + €")), may_start=permission)

    request = twilio.calls.last.request
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form(twilio) == [
        ("To", "+16505551234"),
        ("From", NUMBER),
        ("Body", "Schönen Tag & 100 % + €"),
        ("StatusCallback", f"{HOOKS}{PATH}?ref={REFERENCE}"),
    ]
    assert permission.asked == 1
    assert result == Sent(provider_message_id=SID)


async def test_a_messaging_service_is_named_as_one(gateway: ProviderGateway, twilio: respx.MockRouter) -> None:
    await gateway.send(an_outgoing(sender=SERVICE), may_start=Permission())

    assert dict(form(twilio))["MessagingServiceSid"] == SERVICE
    assert "From" not in dict(form(twilio))


@pytest.mark.parametrize("sender", ["Acme Shop", "12345", "MGoods"])
async def test_names_and_short_codes_are_senders(
    gateway: ProviderGateway, twilio: respx.MockRouter, sender: str
) -> None:
    await gateway.send(an_outgoing(sender=sender), may_start=Permission())

    assert dict(form(twilio))["From"] == sender


async def test_media_go_by_link(gateway: ProviderGateway, twilio: respx.MockRouter) -> None:
    await gateway.send(
        an_outgoing(Image(link="https://cdn.example.com/a.jpg?x=1&y=2", caption="A")), may_start=Permission()
    )
    image = dict(form(twilio))
    await gateway.send(an_outgoing(Document(link="https://cdn.example.com/a.pdf")), may_start=Permission())

    assert (image["MediaUrl"], image["Body"]) == ("https://cdn.example.com/a.jpg?x=1&y=2", "A")
    assert dict(form(twilio))["MediaUrl"] == "https://cdn.example.com/a.pdf"
    assert "Body" not in dict(form(twilio))


@pytest.mark.parametrize(
    ("content", "recipient"),
    [
        (Image(media_id="1"), None),
        (TemplateMessage(name="order", language="en"), None),
        (None, ScopedUser("US.13491208655302741918")),
    ],
)
async def test_what_an_sms_cannot_carry_is_refused_without_a_call(
    gateway: ProviderGateway, twilio: respx.MockRouter, content: Content | None, recipient: ScopedUser | None
) -> None:
    permission = Permission()

    result = await gateway.send(an_outgoing(content, recipient=recipient), may_start=permission)

    assert isinstance(result, Rejected)
    assert result.code == "content_unsupported"
    assert (permission.asked, twilio.calls.call_count) == (0, 0)


async def test_calls_are_made_with_the_api_key_if_there_is_one(
    gateway: ProviderGateway, twilio: respx.MockRouter
) -> None:
    keyed = Credentials(auth_tokens=(TOKEN,), api_key_sid=API_KEY, api_key_secret="hush")

    await gateway.send(an_outgoing(connection=a_connection(credentials=keyed)), may_start=Permission())

    login = base64.b64encode(f"{API_KEY}:hush".encode()).decode()
    assert twilio.calls.last.request.headers["authorization"] == f"Basic {login}"


async def test_credentials_that_fit_no_header_are_never_sent(
    gateway: ProviderGateway, twilio: respx.MockRouter
) -> None:
    broken = a_connection(credentials=Credentials(auth_tokens=("a\r\nX: y",)))

    result = await gateway.send(an_outgoing(connection=broken), may_start=Permission())

    assert isinstance(result, Unreachable)
    assert twilio.calls.call_count == 0


async def test_test_traffic_goes_to_the_sandbox_only(gateway: ProviderGateway, twilio: respx.MockRouter) -> None:
    sandbox = twilio.post(f"http://sandbox.local/2010-04-01/Accounts/{ACCOUNT}/Messages.json").respond(
        201, json=ACCEPTED
    )

    await gateway.send(an_outgoing(connection=a_connection(mode=Mode.TEST)), may_start=Permission())

    assert (sandbox.call_count, twilio.calls.call_count) == (1, 1)


async def test_nothing_is_sent_without_permission(gateway: ProviderGateway, twilio: respx.MockRouter) -> None:
    assert await gateway.send(an_outgoing(), may_start=Permission(allow=False)) == NotStarted()


async def test_a_connection_that_breaks_after_the_request_is_unclear(
    gateway: ProviderGateway, twilio: respx.MockRouter
) -> None:
    async def breaks(request: httpx.Request) -> httpx.Response:
        await request.aread()
        raise httpx.ReadError("reset", request=request)

    twilio.post(SEND_URL).mock(side_effect=breaks)

    result = await gateway.send(an_outgoing(), may_start=Permission())

    assert isinstance(result, Uncertain)
    assert not result.likely_sent


async def test_a_connection_that_cannot_be_made_is_proof() -> None:
    http = ProviderHttp()
    nowhere = an_adapter(http, sandbox="http://127.0.0.1:1").gateway

    result = await nowhere.send(an_outgoing(connection=a_connection(mode=Mode.TEST)), may_start=Permission())

    assert isinstance(result, Unreachable)
    await http.aclose()


# --- the answer -----------------------------------------------------------------------------------------------------


def verdict(code: int, status: int = 400, **headers: str) -> SendResult:
    body = f'{{"code": {code}, "message": "No +1 (415) 555-0100", "status": {status}}}'.encode()
    return judge(
        Reply(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)
    )


@pytest.mark.parametrize(
    ("code", "status", "kind", "scope"),
    [
        (20003, 401, Unavailable, Scope.CREDENTIAL),
        (20005, 403, Unavailable, Scope.CREDENTIAL),
        (20104, 401, Unavailable, Scope.CREDENTIAL),
        (30002, 400, Unavailable, Scope.CREDENTIAL),
        (20404, 404, Rejected, Scope.ACCOUNT),
        (20429, 429, Throttled, Scope.ACCOUNT),
        (20500, 500, Uncertain, None),
        (20503, 503, Uncertain, None),
        (21211, 400, Rejected, Scope.RECIPIENT),
        (21614, 400, Rejected, Scope.RECIPIENT),
        (21601, 400, Rejected, Scope.RECIPIENT),
        (21604, 400, Rejected, Scope.RECIPIENT),
        (21212, 400, Rejected, Scope.SENDER),
        (21606, 400, Rejected, Scope.SENDER),
        (21910, 400, Rejected, Scope.SENDER),
        (21408, 400, Rejected, Scope.RECIPIENT),
        (21608, 400, Rejected, Scope.RECIPIENT),
        (21609, 400, Rejected, Scope.ACCOUNT),
        (21610, 400, Rejected, Scope.RECIPIENT),
        (21611, 429, Throttled, Scope.SENDER),
        (30001, 400, Throttled, Scope.SENDER),
        (21612, 400, Rejected, Scope.RECIPIENT),
        (21602, 400, Rejected, Scope.MESSAGE),
        (21617, 400, Rejected, Scope.MESSAGE),
        (21620, 400, Rejected, Scope.MESSAGE),
        (21703, 400, Rejected, Scope.SENDER),
        (30003, 400, Unavailable, Scope.RECIPIENT),
        (30008, 400, Unavailable, Scope.MESSAGE),
        (30017, 400, Unavailable, Scope.MESSAGE),
        (30006, 400, Rejected, Scope.RECIPIENT),
        (30007, 400, Rejected, Scope.MESSAGE),
        (30022, 429, Throttled, Scope.SENDER),
        (30023, 429, Throttled, Scope.SENDER),
        (30034, 400, Rejected, Scope.SENDER),
        (63017, 429, Throttled, Scope.ACCOUNT),
        (63016, 400, Rejected, Scope.MESSAGE),
    ],
)
def test_each_code_has_its_verdict(code: int, status: int, kind: type[SendResult], scope: Scope | None) -> None:
    result = verdict(code, status)

    assert isinstance(result, kind)
    assert not isinstance(result, Sent)
    assert (result.code, getattr(result, "scope", None), result.http_status) == (str(code), scope, status)
    assert "415" not in result.reason, "a number must not be kept"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Rejected), (404, Rejected), (409, Rejected), (401, Unavailable), (403, Unavailable), (429, Throttled),
     (408, Uncertain), (500, Uncertain), (502, Uncertain), (503, Uncertain), (302, Uncertain)],
)  # fmt: skip
def test_an_unlisted_code_is_judged_by_its_status(status: int, kind: type[SendResult]) -> None:
    assert errors.find(99_999) is None
    assert isinstance(verdict(99_999, status), kind)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, Unavailable),
        (429, {}, Throttled),
        (503, {"retry-after": "7"}, Unavailable),
        (503, {}, Uncertain),
        (400, {}, Uncertain),
        (403, {}, Uncertain),
        (500, {"retry-after": "7"}, Uncertain),
        (502, {}, Uncertain),
        (504, {}, Uncertain),
        (100, {}, Uncertain),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code": true}', b'{"message": "x"}', b"\xff"])
def test_an_answer_without_a_code_proves_little(
    status: int, headers: dict[str, str], kind: type[SendResult], body: bytes
) -> None:
    assert isinstance(judge(Reply(status=status, headers=headers, body=body)), kind)


def test_a_503_with_a_code_of_twilios_proves_nothing_even_with_a_time_to_wait() -> None:
    assert isinstance(verdict(20503, 503, retry_after="7"), Uncertain)


@pytest.mark.parametrize("body", [None, b"", b"{", b"{}", b'{"sid": 5}', b'{"sid": "../x"}', b'{"sid": "SM1"}', b"[]"])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_success_that_cannot_be_read_was_most_likely_one(body: bytes | None, status: int) -> None:
    result = judge(Reply(status=status, headers={}, body=body, flaw="" if body is not None else "cut off"))

    assert isinstance(result, Uncertain)
    assert result.likely_sent


def test_a_cut_off_refusal_is_unclear() -> None:
    assert isinstance(judge(Reply(status=400, headers={}, body=None, flaw="cut off")), Uncertain)


@pytest.mark.parametrize(
    ("told", "wait"),
    [("7", 7), ("0", 1), ("999999999999", 86_400), ("Wed, 21 Oct 2015 07:28:00 GMT", 1), ("soon", 5), ("", 5)],
)
def test_the_wait_is_as_told_within_a_second_and_a_day(told: str, wait: int) -> None:
    result = verdict(20429, 429, retry_after=told)

    assert isinstance(result, Throttled)
    assert result.retry_after == timedelta(seconds=wait)


def test_the_table_names_each_code_once_with_words_for_people() -> None:
    singles = [entry.codes[0] for entry in errors.TABLE if entry.codes[0] == entry.codes[1]]

    assert len(singles) == len(set(singles)) > 60
    for entry in errors.TABLE:
        assert entry.codes[0] <= entry.codes[1]
        assert entry.title
        assert not entry.title.endswith(".")
        assert entry.advice.endswith(".")
        assert (entry.wait is not None) == (entry.kind in (Kind.TRANSIENT, Kind.THROTTLED))
