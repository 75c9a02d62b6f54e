"""Every provider: a send carries the reference, asks once and late, and takes a refused permission for an answer."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import msgspec
import pytest

from messaging.application.ports.providers.sending import NotStarted
from messaging.domain.channels.address import EmailAddress, Phone, Recipient, ScopedUser
from messaging.domain.content.content import Content, Document, Image, TemplateMessage, Text
from messaging.domain.content.email import Email
from messaging.domain.messages.retry import Rejected, Sent
from tests.conformance.counting import Cases
from tests.conformance.outcomes import PROVEN_NOT_ACCEPTED, Outcome
from tests.conformance.subject import REFERENCE
from tests.conformance.trying import Asking, Candidate, an_adapter, endpoint_of, try_outcome
from tests.integration.providers.whatsapp_cloud.raw_server import RawServer, serving

CONTENTS: list[Content] = [
    Text(body="Hello"),
    TemplateMessage(name="order_update", language="en_US", variables={"1": "Ana"}),
    Image(link="https://files.example/a.jpg"),
    Document(link="https://files.example/a.pdf", filename="a.pdf"),
    Email(subject="Hello", text="Hello"),
]
RECIPIENTS: list[Recipient] = [Phone("+14155550100"), ScopedUser("US.1349"), EmailAddress("ana@mail.example")]
# What would lead elsewhere, or end a line, if it were written into a request.
NO_IDS = ("", "..", "../messages", "1 2", "1\r\nX-Evil: 1", "1\n", "1?a=1", "1#a", "é", "\x00", "%2e%2e")


async def test_an_accepted_send_tells_the_providers_id(candidate: Candidate) -> None:
    tried = await try_outcome(candidate, Outcome.ACCEPTED)

    assert isinstance(tried.result, Sent), tried
    assert tried.result.provider_message_id
    if candidate.subject.wire.accepted_id is not None:
        assert tried.result.provider_message_id == candidate.subject.wire.accepted_id
    assert (tried.asked, len(tried.requests)) == (1, 1)


async def test_the_request_carries_the_reference(candidate: Candidate) -> None:
    tried = await try_outcome(candidate, Outcome.ACCEPTED)

    assert REFERENCE.encode() in tried.requests[0], "what receipts are to echo is nowhere in the request"


async def test_permission_is_asked_when_the_provider_is_reached_and_nothing_of_the_message_has_left(
    candidate: Candidate,
) -> None:
    seen: list[tuple[int, int, int]] = []
    async with _accepting(candidate) as server, an_adapter(candidate, endpoint_of(server)) as adapter:

        async def look() -> None:
            # The server's side of the connection may come to life after the client's.
            while not server.connections:
                await asyncio.sleep(0)
            seen.append((server.connections, len(server.requests), server.bytes_received))

        asking = Asking(first=look)
        result = await adapter.gateway.send(candidate.outgoing(endpoint_of(server)), may_start=asking)

    assert isinstance(result, Sent), result
    assert (seen, asking.asked) == ([(1, 0, 0)], 1)


async def test_without_permission_nothing_is_sent_and_the_next_send_goes(candidate: Candidate) -> None:
    async with _accepting(candidate) as server, an_adapter(candidate, endpoint_of(server)) as adapter:
        refused, outgoing = Asking(False), candidate.outgoing(endpoint_of(server))

        results = [await adapter.gateway.send(outgoing, may_start=refused) for _ in range(3)]
        untouched = (tuple(server.requests), server.bytes_received)
        then = await adapter.gateway.send(outgoing, may_start=Asking())

        assert results == [NotStarted()] * 3
        assert refused.asked == 3
        assert untouched == ((), 0)
        assert isinstance(then, Sent), then
        assert len(server.requests) == 1


async def test_what_asking_raises_comes_out_unchanged_and_nothing_is_sent(candidate: Candidate) -> None:
    async def fail() -> None:
        raise ConnectionRefusedError("the database is away")

    async with _accepting(candidate) as server, an_adapter(candidate, endpoint_of(server)) as adapter:
        outgoing = candidate.outgoing(endpoint_of(server))

        with pytest.raises(ConnectionRefusedError, match="the database is away"):
            await adapter.gateway.send(outgoing, may_start=Asking(first=fail))

        assert (server.requests, server.bytes_received) == ([], 0)
        assert isinstance(await adapter.gateway.send(outgoing, may_start=Asking()), Sent)


async def test_content_and_recipients_that_it_cannot_carry_are_refused_as_such(
    candidate: Candidate, cases: Cases
) -> None:
    """It is no fault of the core to offer them: no adapter has an arm for every kind."""
    subject = candidate.subject
    async with _accepting(candidate) as server, an_adapter(candidate, endpoint_of(server)) as adapter:
        offered = [
            *(
                (content, subject.recipient, type(content) in subject.carries)
                for content in (subject.content, *CONTENTS)
            ),
            *((subject.content, recipient, type(recipient) in subject.reaches) for recipient in RECIPIENTS),
        ]
        for content, recipient, carried in offered:
            cases.add()
            outgoing = candidate.outgoing(endpoint_of(server), content=content, recipient=recipient)
            asking = Asking()

            result = await adapter.gateway.send(outgoing, may_start=asking)

            if carried:
                assert isinstance(result, Sent), (content, recipient, result)
            else:
                assert isinstance(result, Rejected), (content, recipient, result)
                assert (result.code, asking.asked) == ("content_unsupported", 0), (content, recipient)


async def test_a_senders_id_of_another_form_leads_nowhere_else(candidate: Candidate, cases: Cases) -> None:
    """It is refused, or is escaped where data belongs: nothing before the body differs from an ordinary send's."""
    async with _accepting(candidate) as server, an_adapter(candidate, endpoint_of(server)) as adapter:
        outgoing = candidate.outgoing(endpoint_of(server))
        await adapter.gateway.send(outgoing, may_start=Asking())
        ordinary = _head(server.requests.pop())
        for id in NO_IDS:
            cases.add()
            asking = Asking()
            strange = msgspec.structs.replace(outgoing, sender_external_id=id, sender_address=id)

            result = await adapter.gateway.send(strange, may_start=asking)

            if isinstance(result, PROVEN_NOT_ACCEPTED):
                assert (asking.asked, server.requests) == (0, []), id
            else:
                assert _head(server.requests.pop()) == ordinary, id


@pytest.mark.parametrize("seconds", [0.2, 1, 89.9, 36_000, 30 * 86_400])
async def test_a_provider_that_can_drop_what_comes_late_is_told_how_long_a_message_is_of_use(
    candidate: Candidate, seconds: float
) -> None:
    """Never longer than that, and at least something: 0 means no limit with some. Another is told nothing."""
    valid_for = timedelta(seconds=seconds)
    async with _accepting(candidate) as server, an_adapter(candidate, endpoint_of(server)) as adapter:
        for limit in (None, valid_for):
            outgoing = candidate.outgoing(endpoint_of(server), valid_for=limit)
            assert isinstance(await adapter.gateway.send(outgoing, may_start=Asking()), Sent)
        without, limited = server.requests

    read = candidate.subject.validity
    if read is None:
        assert len(limited) == len(without), "the subject does not tell how the validity is read from a request"
        return
    told = read(limited)
    assert read(without) is None
    assert told is None or timedelta(0) < told <= max(valid_for, timedelta(seconds=1))
    assert told is not None or seconds > 3_600, "a short validity is kept"


def _head(request: bytes) -> list[bytes]:
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [line for line in lines if not line.lower().startswith(b"content-length:")]


def _accepting(candidate: Candidate) -> AbstractAsyncContextManager[RawServer]:
    behave = candidate.subject.wire.scripts[Outcome.ACCEPTED].behave
    assert behave is not None
    return serving(behave)
