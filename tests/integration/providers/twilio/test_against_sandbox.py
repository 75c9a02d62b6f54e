"""Adapter and sandbox, written apart from each other, understand one another over real HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.providers.twilio.credentials import Credentials
from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.lookup import Sought, StatusLookup
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import NotStarted
from messaging.domain.channels.address import Phone
from messaging.domain.content.content import Content, Image, Text
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import Rejected, Scope, SendResult, Sent, Throttled, Unavailable, Uncertain
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.sandbox import SandboxConfig, Settings, serving
from tests.integration.providers.twilio.sending import (
    ACCOUNT,
    API_KEY,
    EMPTY_SERVICE,
    NUMBER,
    REFERENCE,
    SERVICE,
    TOKEN,
    Permission,
    a_connection,
    an_adapter,
    an_outgoing,
)

# A number without a URL for inbound messages, and no account's webhook URL: nothing is posted.
CONNECTION = a_connection(mode=Mode.TEST, webhook_path="")
OTHER_NUMBER = "+15017250605"
JOINED = {
    "sid": ACCOUNT,
    "auth_token": TOKEN,
    "secondary_auth_token": "second",
    "api_keys": {API_KEY: "hush"},
    "numbers": [
        {"phone_number": NUMBER, "sms_url": "https://demo.twilio.com/welcome/sms/reply"},
        {"phone_number": OTHER_NUMBER, "sms_url": "https://others.example.com/sms"},
        {"phone_number": "+18005550123"},
        {"phone_number": "+15017250606", "sms": False},
    ],
    "short_codes": ["12345"],
    "services": [{"sid": SERVICE, "senders": [NUMBER]}, {"sid": EMPTY_SERVICE}],
}


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    # The sandbox ends a hanging request by itself, so that no test depends on how soon the adapter gives up.
    settings = Settings(webhook_delay_min_ms=0, webhook_delay_max_ms=0, hang_max_ms=200, slow_ms=20)
    async with (
        serving(SandboxConfig(state_dir=tmp_path_factory.mktemp("sandbox"), settings=settings)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as control,
    ):
        answer = await control.post("/_control/twilio/accounts", json=JOINED)
        assert answer.is_success, answer.text
        yield control


@pytest.fixture(scope="module")
async def adapter(sandbox: httpx.AsyncClient) -> AsyncIterator[ProviderAdapter]:
    http = ProviderHttp()
    yield an_adapter(http, sandbox=str(sandbox.base_url))
    await http.aclose()


@pytest.fixture(scope="module")
def lookup(adapter: ProviderAdapter) -> StatusLookup:
    assert adapter.lookup is not None
    return adapter.lookup


async def sent(
    adapter: ProviderAdapter, to: str, content: Content | None = None, *, sender: str = NUMBER
) -> SendResult | NotStarted:
    outgoing = an_outgoing(content, recipient=Phone(to), sender=sender, connection=CONNECTION)
    return await adapter.gateway.send(outgoing, may_start=Permission())


async def ledger(sandbox: httpx.AsyncClient, to: str) -> list[dict[str, object]]:
    return [entry for entry in (await sandbox.get("/_ledger")).json()["data"] if entry["to"] == to]


async def test_an_accepted_message_is_in_the_ledger_with_what_was_sent(
    adapter: ProviderAdapter, sandbox: httpx.AsyncClient
) -> None:
    outgoing = an_outgoing(recipient=Phone("+14155557001"), connection=a_connection(mode=Mode.TEST))

    result = await adapter.gateway.send(outgoing, may_start=Permission())

    assert isinstance(result, Sent)
    (entry,) = await ledger(sandbox, "+14155557001")
    assert entry["message_id"] == result.provider_message_id
    assert (entry["provider"], entry["sender"], entry["reference"]) == ("twilio", NUMBER, REFERENCE)
    body = entry["body"]
    assert isinstance(body, dict)
    assert body["Body"] == "Hello"


@pytest.mark.parametrize(
    ("ending", "kind", "scope", "code", "stored"),
    [
        (20, Rejected, Scope.RECIPIENT, "21211", 0),
        (21, Rejected, Scope.RECIPIENT, "21614", 0),
        (23, Rejected, Scope.RECIPIENT, "21610", 0),
        (24, Throttled, Scope.ACCOUNT, "20429", 0),
        (25, Throttled, Scope.SENDER, "21611", 0),
        (30, Unavailable, Scope.CREDENTIAL, "20003", 0),
        (31, Unavailable, Scope.CREDENTIAL, "20005", 0),
        (33, Rejected, Scope.RECIPIENT, "21408", 0),
        (38, Rejected, Scope.SENDER, "21606", 0),
        (40, Uncertain, None, "20500", 0),
        (43, Uncertain, None, "20503", 0),
        (45, Uncertain, None, "http_500", 0),
        (46, Uncertain, None, "http_500", 1),
        (47, Uncertain, None, "http_503", 1),
        (51, Uncertain, None, "no_reply", 1),
        (52, Uncertain, None, "no_reply", 1),
        (53, Uncertain, None, "no_reply", 0),
        (54, Uncertain, None, "acceptance_unreadable", 1),
        (55, Uncertain, None, "acceptance_unreadable", 1),
        (56, Uncertain, None, "acceptance_unreadable", 1),
        (57, Uncertain, None, "no_reply", 0),
    ],
)
async def test_every_magic_recipient_has_its_verdict(
    adapter: ProviderAdapter,
    sandbox: httpx.AsyncClient,
    ending: int,
    kind: type[SendResult],
    scope: Scope | None,
    code: str,
    stored: int,
) -> None:
    to = f"+1415555{100 + ending:04d}"

    result = await sent(adapter, to)

    assert isinstance(result, kind)
    assert not isinstance(result, Sent)
    assert (result.code, getattr(result, "scope", None)) == (code, scope)
    assert len(await ledger(sandbox, to)) == stored


async def test_a_slow_answer_is_waited_for(adapter: ProviderAdapter) -> None:
    assert isinstance(await sent(adapter, "+14155550150"), Sent)


@pytest.mark.parametrize(
    ("to", "content", "sender", "code"),
    [
        ("+14155557002", Text(body="x" * 1_601), NUMBER, "21617"),
        ("+14155557002", Text(body="x"), "Acme Shop", "21612"),
        ("+14155557002", Text(body="x"), "+15017259999", "21606"),
        ("+14155557002", Text(body="x"), "54321", "21606"),
        ("+14155557002", Text(body="x"), "MG" + "9" * 32, "21701"),
        ("+14155557002", Text(body="x"), EMPTY_SERVICE, "21703"),
        (NUMBER, Text(body="x"), NUMBER, "21266"),
        ("+14155557002", Image(link="ftp://example.com/a.jpg"), NUMBER, "21620"),
    ],
)
async def test_bad_input_is_refused_as_by_twilio(
    adapter: ProviderAdapter, to: str, content: Content, sender: str, code: str
) -> None:
    result = await sent(adapter, to, content, sender=sender)

    assert isinstance(result, Rejected)
    assert result.code == code


@pytest.mark.parametrize(
    ("to", "sender"), [("+447700900123", "Acme Shop"), ("+14155557003", SERVICE), ("+14155557003", "12345")]
)
async def test_every_kind_of_sender_sends(adapter: ProviderAdapter, to: str, sender: str) -> None:
    assert isinstance(await sent(adapter, to, sender=sender), Sent)


async def test_1600_characters_and_media_are_taken(adapter: ProviderAdapter, sandbox: httpx.AsyncClient) -> None:
    assert isinstance(await sent(adapter, "+14155557004", Text(body="x" * 1_600)), Sent)
    image = await sent(adapter, "+14155557005", Image(link="https://cdn.example.com/a.jpg", caption="😀"))

    assert isinstance(image, Sent)
    assert image.provider_message_id.startswith("MM")
    (text,), (media,) = await ledger(sandbox, "+14155557004"), await ledger(sandbox, "+14155557005")
    assert (text["segments"], media["segments"], media["media"]) == (11, 1, 1)


# --- asked what became of a message -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "kind", "code"),
    [
        (0, ReceiptKind.DELIVERED, None),
        (2, ReceiptKind.SENT, None),
        (10, ReceiptKind.FAILED, "30003"),
        (61, ReceiptKind.DELIVERED, None),
    ],
)
async def test_a_message_is_looked_up_by_its_sid(
    adapter: ProviderAdapter, lookup: StatusLookup, ending: int, kind: ReceiptKind, code: str | None
) -> None:
    taken = await sent(adapter, f"+1415555{100 + ending:04d}")
    assert isinstance(taken, Sent)

    (receipt,) = await lookup.history(CONNECTION, NUMBER, taken.provider_message_id)

    assert (receipt.kind, receipt.provider_message_id) == (kind, taken.provider_message_id)
    assert (receipt.error.code if receipt.error else None) == code


async def test_a_status_that_tells_no_more_than_acceptance_is_no_news(
    adapter: ProviderAdapter, lookup: StatusLookup
) -> None:
    taken = await sent(adapter, "+14155550103")
    assert isinstance(taken, Sent)

    assert await lookup.history(CONNECTION, NUMBER, taken.provider_message_id) == []


@pytest.mark.parametrize("sid", ["SM" + "0" * 32, "../../Accounts", "SM1?x=1", "ü"])
async def test_a_sid_that_is_none_is_refused(lookup: StatusLookup, sid: str) -> None:
    with pytest.raises(ProviderRefused):
        await lookup.history(CONNECTION, NUMBER, sid)


def sought(to: str, content: Content | None = None, *, sender: str = NUMBER, at: datetime | None = None) -> Sought:
    return Sought(
        sender_external_id=sender,
        sender_address=sender,
        recipient=Phone(to),
        content=content or Text(body="Hello"),
        reference=REFERENCE,
        started_at=at or datetime.now(UTC),
    )


@pytest.mark.parametrize("sender", [NUMBER, SERVICE])
async def test_a_message_whose_answer_was_lost_is_found_by_what_was_sent(
    adapter: ProviderAdapter, lookup: StatusLookup, sandbox: httpx.AsyncClient, sender: str
) -> None:
    to = "+14155550158" if sender == NUMBER else "+442075550158"
    assert isinstance(await sent(adapter, to, sender=sender), Uncertain)

    (receipt,) = await lookup.find(CONNECTION, sought(to, sender=sender))

    (entry,) = await ledger(sandbox, to)
    assert (receipt.provider_message_id, receipt.reference) == (entry["message_id"], REFERENCE)
    assert receipt.kind is ReceiptKind.OTHER


async def test_nothing_is_found_of_a_message_that_never_arrived(adapter: ProviderAdapter, lookup: StatusLookup) -> None:
    assert isinstance(await sent(adapter, "+14155550153"), Uncertain)

    assert await lookup.find(CONNECTION, sought("+14155550153")) == []


@pytest.mark.parametrize(
    "other",
    [
        sought("+14155557006", Text(body="Hello!")),
        sought("+14155557006", Image(link="https://example.com/a.jpg", caption="Hello")),
        sought("+14155557006", sender=OTHER_NUMBER),
        sought("+14155557006", sender=SERVICE),
        sought("+14155557007"),
        sought("+14155557006", at=datetime.now(UTC) - timedelta(hours=1)),
        sought("+14155557006", at=datetime.now(UTC) + timedelta(hours=1)),
    ],
)
async def test_only_the_same_sender_recipient_content_and_time_is_a_match(
    adapter: ProviderAdapter, lookup: StatusLookup, other: Sought
) -> None:
    if not await lookup.find(CONNECTION, sought("+14155557006")):
        assert isinstance(await sent(adapter, "+14155557006"), Sent)

    assert len(await lookup.find(CONNECTION, sought("+14155557006"))) == 1
    assert await lookup.find(CONNECTION, other) == []


async def test_two_messages_that_could_be_it_prove_nothing(adapter: ProviderAdapter, lookup: StatusLookup) -> None:
    for _ in range(2):
        assert isinstance(await sent(adapter, "+14155557008"), Sent)

    with pytest.raises(ProviderUnavailable, match="2 messages"):
        await lookup.find(CONNECTION, sought("+14155557008"))


async def test_a_match_on_a_later_page_is_found(adapter: ProviderAdapter, lookup: StatusLookup) -> None:
    assert isinstance(await sent(adapter, "+14155557009", Text(body="the first")), Sent)
    for n in range(101):
        assert isinstance(await sent(adapter, "+14155557009", Text(body=f"later {n}")), Sent)

    assert len(await lookup.find(CONNECTION, sought("+14155557009", Text(body="the first")))) == 1


# --- the account ------------------------------------------------------------------------------------------------------


async def test_an_account_is_inspected_and_its_senders_are_listed(adapter: ProviderAdapter) -> None:
    assert adapter.setup is not None

    inspection = await adapter.setup.inspect(CONNECTION)

    assert [(finding.part, finding.ok) for finding in inspection.findings] == [("account", True), ("auth_token", True)]
    assert [(number.external_id, number.status, number.per_second) for number in inspection.numbers] == [
        (NUMBER, "CONNECTED", 1),
        (OTHER_NUMBER, "CONNECTED", 1),
        ("+18005550123", "CONNECTED", 3),
        ("+15017250606", "NO_SMS", 1),
        ("12345", "CONNECTED", 100),
        (SERVICE, "CONNECTED", 1),
        (EMPTY_SERVICE, "CONNECTED", 1),
    ]


@pytest.mark.parametrize(
    ("credentials", "wrong"),
    [
        (Credentials(auth_tokens=("wrong",)), [("account", "/external_id")]),
        (
            Credentials(auth_tokens=("wrong",), api_key_sid=API_KEY, api_key_secret="hush"),
            [("auth_token", "/auth_tokens")],
        ),
        (Credentials(auth_tokens=(TOKEN,), api_key_sid=API_KEY), [("api_key", "/api_key_secret")]),
        (Credentials(auth_tokens=("second",)), []),
    ],
)
async def test_a_wrong_credential_is_named(
    adapter: ProviderAdapter, credentials: Credentials, wrong: list[tuple[str, str]]
) -> None:
    assert adapter.setup is not None

    inspection = await adapter.setup.inspect(a_connection(mode=Mode.TEST, credentials=credentials))

    assert [(finding.part, finding.pointer) for finding in inspection.findings if not finding.ok] == wrong
    assert (inspection.numbers == ()) == bool(wrong)


async def test_numbers_that_post_nowhere_are_pointed_at_the_account_and_others_left_alone(
    adapter: ProviderAdapter, sandbox: httpx.AsyncClient
) -> None:
    assert adapter.setup is not None

    await adapter.setup.subscribe(a_connection(mode=Mode.TEST), webhook_url=None)

    (account,) = (await sandbox.get("/_control/twilio/accounts")).json()["data"]
    assert {number["phone_number"]: number["sms_url"] for number in account["numbers"]} == {
        NUMBER: "https://hooks.example.com/webhooks/twilio/t0ken",
        OTHER_NUMBER: "https://others.example.com/sms",
        "+18005550123": "https://hooks.example.com/webhooks/twilio/t0ken",
        "+15017250606": "",
    }
    with pytest.raises(ProviderRefused, match="needs no registration"):
        await adapter.setup.register_number(CONNECTION, NUMBER, "123456")


async def test_a_provider_that_is_down_is_told_from_one_that_refuses(
    adapter: ProviderAdapter, sandbox: httpx.AsyncClient
) -> None:
    assert adapter.numbers is not None
    for mode, error in (
        ("503", ProviderUnavailable),
        ("invalid_token", ProviderRefused),
        ("reset_before", ProviderUnavailable),
    ):
        await sandbox.post("/_control/faults", json={"mode": mode, "match": {"provider": "twilio"}, "times": 1})

        with pytest.raises(error):
            await adapter.numbers.list_numbers(CONNECTION)
