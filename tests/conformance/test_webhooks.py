"""Every provider: its webhooks are believed only if they are genuine, are always read, and converge in any order."""

import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import Struct
from msgspec.structs import replace

from messaging.application.ports.providers.webhooks import (
    MalformedWebhook,
    OtherEvent,
    TemplateChanged,
    TemplateQualityChanged,
    TemplateStatusChanged,
    WebhookEvent,
    WebhookReader,
    WebhookRequest,
)
from messaging.domain.conversations.inbound import InboundMessage
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.state import Move, State, advance
from tests.conformance.counting import Cases
from tests.conformance.subject import REFERENCE, Endpoint, Signed, Webhooks
from tests.conformance.trying import Candidate, an_adapter

RECEIVED = datetime(2026, 5, 4, 12, 7, tzinfo=UTC)
EVENTS = (Receipt, InboundMessage, OtherEvent, TemplateStatusChanged, TemplateQualityChanged, TemplateChanged)
NEW, OLD, OTHER = "the-newest-secret", "the-secret-before", "a-secret-of-somebody-else"
_NOWHERE = Endpoint(host="127.0.0.1", port=9)
# More orders than this are not tried of a long story.
_ORDERS = 720


@pytest.fixture
async def reader(candidate: Candidate) -> AsyncIterator[WebhookReader]:
    async with an_adapter(candidate, _NOWHERE) as adapter:
        yield adapter.webhooks


@pytest.fixture
def samples(candidate: Candidate) -> Webhooks:
    return candidate.subject.webhooks


def read(reader: WebhookReader, request: WebhookRequest) -> Sequence[WebhookEvent]:
    """The events of the request as it is read from the store, with only the headers that are kept."""
    kept = {name: value for name, value in request.headers.items() if name in reader.kept_headers}
    return reader.read(replace(request, headers=kept), received_at=RECEIVED)


def every(samples: Webhooks) -> Iterator[tuple[str, WebhookRequest]]:
    yield from samples.recorded.items()
    yield from ((f"story {n}", request) for n, request in enumerate(samples.story))
    yield from (("unknown", samples.unknown), ("untimed", samples.untimed))


# --- reading --------------------------------------------------------------------------------------------------------


def test_every_recorded_payload_is_read(reader: WebhookReader, samples: Webhooks, cases: Cases) -> None:
    assert len(samples.recorded) >= 3
    for name, request in every(samples):
        cases.add()
        events = read(reader, request)

        assert events, name
        assert all(isinstance(event, EVENTS) for event in events), name
        assert read(reader, request) == events, f"{name} is read differently the second time"


def test_whatever_is_done_to_a_payload_it_is_read_or_called_malformed(
    reader: WebhookReader, samples: Webhooks, cases: Cases
) -> None:
    """Nothing else may come out of it: a webhook that is stored is read until that succeeds."""
    for _, request in every(samples):
        for body in _damaged(request.body):
            cases.add()
            _try_to_read(reader, replace(request, body=body))
        for query in ("?", "?a=%00&a=%ff&=", "?ref=" + "x" * 5000, "#a"):
            _try_to_read(reader, replace(request, url=request.url.partition("?")[0] + query))


def _try_to_read(reader: WebhookReader, request: WebhookRequest) -> None:
    try:
        events = read(reader, request)
    except MalformedWebhook:
        return
    assert all(isinstance(event, EVENTS) for event in events)


def _damaged(body: bytes) -> Iterator[bytes]:
    """Cut off, doubled, and with single bytes replaced, at about fifty places."""
    step = max(len(body) // 50, 1)
    yield from (b"", b"\x00", b"[]", b"{}", b"null", b"\xff\xfe", body + body)
    for at in range(0, len(body), step):
        yield body[:at]
        yield body[:at] + b"\xff" + body[at + 1 :]
        yield body[:at] + b"9" + body[at + 1 :]


def test_an_unknown_status_proves_acceptance_and_nothing_else(reader: WebhookReader, samples: Webhooks) -> None:
    events = read(reader, samples.unknown)

    assert {event.kind for event in events if isinstance(event, Receipt)} <= {ReceiptKind.OTHER}


def test_an_event_without_a_time_is_an_event(reader: WebhookReader, samples: Webhooks) -> None:
    receipts = [event for event in read(reader, samples.untimed) if isinstance(event, Receipt)]

    assert receipts
    assert {receipt.occurred_at for receipt in receipts} <= {None, RECEIVED}


def test_receipts_name_the_message_and_carry_its_reference(
    candidate: Candidate, reader: WebhookReader, samples: Webhooks
) -> None:
    receipts = _receipts(reader, samples.story)

    assert {receipt.provider_message_id for receipt in receipts} == {samples.message_id}
    if candidate.provider.capabilities.echoes_reference:
        assert {receipt.reference for receipt in receipts} == {REFERENCE}


def test_a_failure_is_told_with_the_code_of_every_documented_error(
    candidate: Candidate, reader: WebhookReader, cases: Cases
) -> None:
    codes = candidate.subject.codes
    if codes.failed is None:
        pytest.skip("the provider's webhooks tell no codes")
    for code in codes.documented:
        cases.add()
        receipts = [event for event in read(reader, codes.failed(code)) if isinstance(event, Receipt)]

        assert [receipt.kind for receipt in receipts] == [ReceiptKind.FAILED], code
        assert receipts[0].error is not None, code
        assert receipts[0].error.code == code
        assert receipts[0].error.reason, code


# --- order ----------------------------------------------------------------------------------------------------------


def test_any_order_and_any_repetition_end_in_the_same_state(
    reader: WebhookReader, samples: Webhooks, cases: Cases
) -> None:
    receipts = _receipts(reader, samples.story)

    for order in itertools.islice(itertools.permutations(receipts), _ORDERS):
        cases.add()
        for told in (order, (*order, *order), tuple(each for each in order for _ in range(2))):
            for before in (State.SUBMITTED, State.UNKNOWN, State.SENDING, State.QUEUED):
                assert _state_after(before, told) is samples.ends


def _state_after(state: State, receipts: Sequence[Receipt]) -> State:
    for receipt in receipts:
        step = advance(state, receipt.kind.signal)
        state = step.state if isinstance(step, Move) else state
    return state


def _receipts(reader: WebhookReader, story: Sequence[WebhookRequest]) -> list[Receipt]:
    receipts = [event for request in story for event in read(reader, request) if isinstance(event, Receipt)]
    assert receipts, "the story tells of no message"
    return receipts


# --- trust ----------------------------------------------------------------------------------------------------------


class Trust(Struct, frozen=True):
    """Whom an account believes; `signed` is None for a provider that signs nothing."""

    reader: WebhookReader
    signed: Signed
    request: WebhookRequest

    async def believes(self, request: WebhookRequest, *secrets: str, at: datetime = RECEIVED) -> bool:
        return await self.reader.verify(request, self.signed.trusting(*secrets), now=at)

    def sign(self, request: WebhookRequest, secret: str, *, at: datetime = RECEIVED) -> WebhookRequest:
        return self.signed.sign(request, secret, at)


@pytest.fixture
def trust(reader: WebhookReader, samples: Webhooks) -> Trust:
    if samples.signed is None:
        pytest.skip("the provider signs nothing")
    return Trust(reader, samples.signed, samples.story[0])


async def test_a_provider_that_signs_nothing_is_believed_nothing_that_comes_by_http(
    candidate: Candidate, reader: WebhookReader, samples: Webhooks
) -> None:
    if samples.signed is not None:
        pytest.skip("the provider signs its webhooks")
    credentials = candidate.subject.connection(_NOWHERE).credentials

    for _, request in every(samples):
        assert not await reader.verify(request, credentials, now=RECEIVED)


async def test_every_payload_is_believed_when_it_is_signed(trust: Trust, samples: Webhooks, cases: Cases) -> None:
    for name, request in every(samples):
        cases.add()
        assert await trust.believes(trust.sign(request, NEW), NEW), name


async def test_both_secrets_are_believed_while_one_is_rotated(trust: Trust) -> None:
    for secret in (NEW, OLD):
        assert await trust.believes(trust.sign(trust.request, secret), NEW, OLD)


async def test_nobody_elses_secret_is_believed_and_no_empty_one(trust: Trust) -> None:
    assert not await trust.believes(trust.sign(trust.request, OTHER), NEW, OLD)
    assert not await trust.believes(trust.sign(trust.request, OTHER))
    assert not await trust.believes(trust.sign(trust.request, ""), "")
    assert not await trust.believes(trust.sign(trust.request, ""))


async def test_a_signature_with_a_time_is_believed_for_as_long_as_the_vendor_has_it_and_no_longer(trust: Trust) -> None:
    """Neither long afterwards nor long before: the vendor's clock is about right."""
    lasts = trust.signed.lasts
    if lasts is None:
        pytest.skip("the provider signs no time")
    signed, second = trust.sign(trust.request, NEW), timedelta(seconds=1)

    for apart in (timedelta(0), lasts - second):
        assert await trust.believes(signed, NEW, at=RECEIVED + apart)
        assert await trust.believes(signed, NEW, at=RECEIVED - apart)
    for apart in (lasts + second, timedelta(days=1), timedelta(days=3650)):
        assert not await trust.believes(signed, NEW, at=RECEIVED + apart)
        assert not await trust.believes(signed, NEW, at=RECEIVED - apart)


async def test_a_request_without_its_signature_is_not_believed(trust: Trust) -> None:
    signed = trust.sign(trust.request, NEW)

    assert trust.signed.headers <= signed.headers.keys()
    for name in trust.signed.headers:
        without = {other: value for other, value in signed.headers.items() if other != name}
        for headers in (without, {**without, name: ""}, {**without, name: "\ud800"}, {**without, name: "é"}):
            assert not await trust.believes(replace(signed, headers=headers), NEW)


async def test_one_byte_of_a_signed_part_changed_is_not_believed(trust: Trust, samples: Webhooks, cases: Cases) -> None:
    """Of the body, of the signature, and of the URL where it is signed."""
    for _, request in every(samples):
        signed = trust.sign(request, NEW)
        for changed in _changed(signed, trust.signed):
            cases.add()
            assert not await trust.believes(changed, NEW), changed


def _changed(signed: WebhookRequest, how: Signed) -> Iterator[WebhookRequest]:
    for at, byte in enumerate(signed.body):
        yield replace(signed, body=signed.body[:at] + bytes([byte ^ 1]) + signed.body[at + 1 :])
    yield replace(signed, body=signed.body + b" ")
    yield replace(signed, body=signed.body[:-1])
    for name in how.headers:
        for value in _changed_text(signed.headers[name]):
            yield replace(signed, headers={**signed.headers, name: value})
    if how.covers_url:
        for url in _changed_text(signed.url):
            yield replace(signed, url=url)
        yield replace(signed, url=signed.url.replace("hooks.example", "hooks.evil.example"))


def _changed_text(text: str) -> Iterator[str]:
    for at, character in enumerate(text):
        yield text[:at] + chr(ord(character) ^ 1) + text[at + 1 :]
    yield text + "0"
    yield text[:-1]
