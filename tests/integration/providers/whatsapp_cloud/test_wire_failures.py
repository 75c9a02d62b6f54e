"""What is known about a send after each way a network can fail, on real sockets.

The rows are those of the table that says what a failure means: nothing but the way the request took decides.
"""

import asyncio
import errno
import gzip
import os
import socket
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from messaging.adapters.http.client import ProviderHttp, Timeouts
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.application.ports.providers.sending import NotStarted
from messaging.domain.messages.retry import Rejected, Sent, Uncertain, Unreachable
from tests.integration.providers.whatsapp_cloud import connecting
from tests.integration.providers.whatsapp_cloud.raw_server import (
    Behaviour,
    RawServer,
    a_closed_port,
    answer,
    hanging,
    reading_then_closing,
    reading_then_resetting,
    reset,
    saying,
    serving,
)
from tests.integration.providers.whatsapp_cloud.sending import Permission, an_outgoing

ACCEPTED = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"+16505551234","wa_id":"16505551234"}],'
    b'"messages":[{"id":"wamid.ONE"}]}'
)
QUICK = Timeouts(connect=1.0, slot=0.2, read=0.3, answer=2.0)


@pytest.fixture
async def http() -> AsyncIterator[ProviderHttp]:
    http = ProviderHttp(timeouts=QUICK)
    yield http
    await http.aclose()


def a_gateway(http: ProviderHttp, url: str) -> WhatsAppCloudGateway:
    return connecting.a_gateway(http, live=url, sandbox=url)


async def test_an_accepted_send_names_the_providers_id(http: ProviderHttp) -> None:
    async with serving(saying(answer("200 OK", ACCEPTED))) as server:
        permission = Permission()

        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=permission)

        assert result == Sent(provider_message_id="wamid.ONE", recipient_id="16505551234")
        assert permission.asked == 1
        assert len(server.requests) == 1


# --- not sent: no byte left -----------------------------------------------------------------------------------------


async def test_a_refused_connection_means_not_sent_and_nobody_is_asked(http: ProviderHttp) -> None:
    permission = Permission()

    result = await a_gateway(http, f"http://127.0.0.1:{a_closed_port()}").send(an_outgoing(), may_start=permission)

    assert isinstance(result, Unreachable)
    assert permission.asked == 0


async def test_a_name_that_does_not_resolve_means_not_sent(http: ProviderHttp) -> None:
    permission = Permission()

    result = await a_gateway(http, "http://provider.invalid").send(an_outgoing(), may_start=permission)

    assert isinstance(result, Unreachable)
    assert permission.asked == 0


async def test_a_failed_tls_handshake_means_not_sent(http: ProviderHttp) -> None:
    async def not_tls(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with serving(not_tls) as server:
        permission = Permission()

        result = await a_gateway(http, server.url.replace("http", "https")).send(an_outgoing(), may_start=permission)

        assert isinstance(result, Unreachable)
        assert permission.asked == 0


async def test_a_handshake_that_hangs_means_not_sent(http: ProviderHttp) -> None:
    async def silent(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.release.wait()

    async with serving(silent) as server:
        permission = Permission()

        result = await a_gateway(http, server.url.replace("http", "https")).send(an_outgoing(), may_start=permission)

        assert isinstance(result, Unreachable)
        assert permission.asked == 0


async def test_no_free_connection_means_not_sent() -> None:
    http = ProviderHttp(connections=1, timeouts=QUICK)
    async with serving(hanging) as server:
        gateway, permission = a_gateway(http, server.url), Permission()
        first = asyncio.create_task(gateway.send(an_outgoing(), may_start=Permission()))
        await _until(lambda: len(server.requests) == 1)

        second = await gateway.send(an_outgoing(), may_start=permission)

        assert isinstance(second, Unreachable)
        assert second.code == "no_free_connection"
        assert permission.asked == 0
        assert isinstance(await first, Uncertain)
    await http.aclose()


async def test_withheld_permission_leaves_the_connection_unused_and_reusable(http: ProviderHttp) -> None:
    async with serving(saying(answer("200 OK", ACCEPTED))) as server:
        gateway = a_gateway(http, server.url)

        refused = [await gateway.send(an_outgoing(), may_start=Permission(allow=False)) for _ in range(3)]
        untouched = server.bytes_received
        result = await gateway.send(an_outgoing(), may_start=Permission())

        assert refused == [NotStarted()] * 3
        assert untouched == 0
        assert isinstance(result, Sent)
        assert server.connections == 1


async def test_permission_is_asked_when_the_connection_stands_and_before_the_first_byte(http: ProviderHttp) -> None:
    async with serving(saying(answer("200 OK", ACCEPTED))) as server:
        seen: list[tuple[int, int]] = []

        async def may_start() -> bool:
            await _until(lambda: server.connections == 1)
            seen.append((server.connections, server.bytes_received))
            return True

        await a_gateway(http, server.url).send(an_outgoing(), may_start=may_start)

        assert seen == [(1, 0)]


async def test_permission_is_asked_on_a_reused_connection_too(http: ProviderHttp) -> None:
    async with serving(saying(answer("200 OK", ACCEPTED))) as server:
        gateway, permission = a_gateway(http, server.url), Permission()

        for _ in range(3):
            await gateway.send(an_outgoing(), may_start=permission)

        assert permission.asked == 3
        assert server.connections == 1


async def test_what_may_start_raises_comes_out_unchanged_and_nothing_is_sent(http: ProviderHttp) -> None:
    async def may_start() -> bool:
        raise ConnectionRefusedError("the database is away")

    async with serving(saying(answer("200 OK", ACCEPTED))) as server:
        gateway = a_gateway(http, server.url)

        with pytest.raises(ConnectionRefusedError, match="the database is away"):
            await gateway.send(an_outgoing(), may_start=may_start)

        assert server.bytes_received == 0
        assert isinstance(await gateway.send(an_outgoing(), may_start=Permission()), Sent)


async def test_a_connection_that_dies_while_asking_means_not_sent(http: ProviderHttp) -> None:
    close_now = asyncio.Event()

    async def answer_once_then_close(
        server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await server.request(reader)
        writer.write(answer("200 OK", ACCEPTED))
        await writer.drain()
        await close_now.wait()
        writer.close()
        await writer.wait_closed()
        closed.set()

    closed = asyncio.Event()
    async with serving(answer_once_then_close) as server:
        gateway = a_gateway(http, server.url)
        await gateway.send(an_outgoing(), may_start=Permission())

        async def may_start() -> bool:
            close_now.set()
            await closed.wait()
            # The end of the stream has to come round the loop to the client's side of the socket as well.
            for _ in range(20):
                await asyncio.sleep(0)
            return True

        result = await gateway.send(an_outgoing(), may_start=may_start)

        assert isinstance(result, Unreachable)
        assert len(server.requests) == 1


async def test_an_end_that_our_loop_has_not_heard_of_means_not_sent(http: ProviderHttp) -> None:
    """As when many sends get their permission at once: the last ones are written long after the loop last listened."""
    peers: list[asyncio.StreamWriter] = []

    async def answer_and_remember(
        server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        peers.append(writer)
        await saying(answer("200 OK", ACCEPTED))(server, reader, writer)

    async with serving(answer_and_remember) as server:
        gateway = a_gateway(http, server.url)
        await gateway.send(an_outgoing(), may_start=Permission())

        async def may_start() -> bool:
            with socket.socket(fileno=os.dup(peers[0].get_extra_info("socket").fileno())) as peer:
                peer.shutdown(socket.SHUT_WR)
            return True

        closed = await gateway.send(an_outgoing(), may_start=may_start)
        next_one = await gateway.send(an_outgoing(), may_start=Permission())

        assert isinstance(closed, Unreachable)
        assert isinstance(next_one, Sent)
        assert server.connections == 2
        assert len(server.requests) == 2


# --- unclear: bytes left, no complete answer ------------------------------------------------------------------------

HALF_HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: appl"
BROKEN_AT_ONCE = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnot a chunk\r\n"
GARBAGE = b"\x15\x03\x03\x00\x02\x02\x28not http at all\r\n\r\n"


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(reading_then_closing, id="closed without an answer"),
        pytest.param(reading_then_resetting, id="reset"),
        pytest.param(hanging, id="silence"),
        pytest.param(saying(HALF_HEADERS, then_close=True), id="half the headers"),
        pytest.param(saying(HALF_HEADERS), id="half the headers, then silence"),
        pytest.param(saying(GARBAGE, then_close=True), id="not HTTP"),
        # The parser drops the head of a packet whose rest is broken: all the more reason not to guess.
        pytest.param(saying(BROKEN_AT_ONCE), id="broken chunks right behind the head"),
    ],
)
async def test_bytes_sent_without_an_answer_are_uncertain_and_never_sent_again(
    http: ProviderHttp, behave: Behaviour
) -> None:
    async with serving(behave) as server:
        permission = Permission()

        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=permission)

        assert isinstance(result, Uncertain)
        assert not result.likely_sent
        assert permission.asked == 1
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("behave", "told"),
    [
        pytest.param(reading_then_closing, "ServerDisconnectedError: Server disconnected", id="closed"),
        pytest.param(
            reading_then_resetting, f"ClientOSError: [Errno {errno.ECONNRESET}] Connection reset by peer", id="reset"
        ),
        pytest.param(hanging, "SocketTimeoutError: Timeout on reading data from socket", id="silence"),
    ],
)
async def test_the_reason_of_an_unclear_send_says_what_happened(
    http: ProviderHttp, behave: Behaviour, told: str
) -> None:
    async with serving(behave) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert isinstance(result, Uncertain)
        assert result.reason == f"The request was sent, but no answer came: {told}"


async def test_what_a_provider_answers_cannot_make_a_reason_long(http: ProviderHttp) -> None:
    rambling = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 5_000
    async with serving(saying(rambling, then_close=True)) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert isinstance(result, Uncertain)
        assert len(result.reason) < 300


async def test_a_reset_before_the_request_was_read_is_uncertain(http: ProviderHttp) -> None:
    async def reset_at_once(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        reset(writer)

    async with serving(reset_at_once) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert isinstance(result, Uncertain)
        assert server.connections == 1


async def test_a_kept_connection_that_turns_out_closed_is_not_tried_again(http: ProviderHttp) -> None:
    async def answer_first_drop_second(
        server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await server.request(reader)
        writer.write(answer("200 OK", ACCEPTED))
        await writer.drain()
        await server.request(reader)

    async with serving(answer_first_drop_second) as server:
        gateway, permission = a_gateway(http, server.url), Permission()
        await gateway.send(an_outgoing(), may_start=Permission())

        result = await gateway.send(an_outgoing(), may_start=permission)

        assert isinstance(result, Uncertain)
        assert permission.asked == 1
        assert len(server.requests) == 2
        assert server.connections == 1


async def test_even_a_read_is_not_repeated_below_us(http: ProviderHttp) -> None:
    async def answer_first_drop_second(
        server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await server.request(reader)
        writer.write(answer("200 OK", b"{}"))
        await writer.drain()
        await server.request(reader)

    async with serving(answer_first_drop_second) as server:
        permission = Permission()
        await http.request("GET", server.url, headers={})

        await http.request("GET", server.url, headers={}, may_start=permission)

        assert permission.asked == 1
        assert len(server.requests) == 2


async def test_an_answer_that_drips_for_ever_ends_at_the_deadline() -> None:
    async def drip(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not server.release.is_set():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    http = ProviderHttp(timeouts=Timeouts(connect=1.0, slot=0.2, read=1.0, answer=0.3))
    async with serving(drip) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert isinstance(result, Uncertain)
        assert result.likely_sent
    await http.aclose()


async def test_asking_for_permission_is_never_cut_short_by_the_answers_deadline() -> None:
    http = ProviderHttp(timeouts=Timeouts(connect=1.0, slot=0.2, read=1.0, answer=0.05))
    loop = asyncio.get_running_loop()

    async def slow_permission() -> bool:
        waited = loop.create_future()
        loop.call_later(0.15, waited.set_result, None)
        await waited
        return True

    async with serving(saying(answer("200 OK", ACCEPTED))) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=slow_permission)

        assert isinstance(result, Sent)
    await http.aclose()


# --- most likely sent: a success whose text was lost ----------------------------------------------------------------

CUT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n" + ACCEPTED[:40]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _head_then(rest: bytes) -> Behaviour:
    """A success whose head arrives on its own, then the rest."""

    async def behave(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(CHUNKED + b"1\r\n{\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)  # so that head and rest are two packets
        writer.write(rest)
        await writer.drain()
        await server.release.wait()

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(saying(CUT, then_close=True), id="cut body"),
        pytest.param(saying(CUT), id="body that stops"),
        pytest.param(_head_then(b"zz\r\nnot a chunk\r\n"), id="broken chunks"),
        pytest.param(_head_then(b"5\r\nhel"), id="chunk that stops"),
        pytest.param(saying(answer("200 OK", b"<html>ok</html>", content_type="text/html")), id="html"),
        pytest.param(saying(answer("200 OK", b"")), id="empty"),
        pytest.param(saying(answer("200 OK", b"{}")), id="no id"),
        pytest.param(saying(answer("200 OK", b'{"messages":[]}')), id="no message"),
        pytest.param(saying(answer("200 OK", b'{"messages":[{"id":""}]}')), id="empty id"),
        pytest.param(saying(answer("200 OK", b'{"messages":[{"id":7}]}')), id="id of another type"),
        pytest.param(saying(answer("200 OK", b'{"messages":[{"id":"a\\u0000b"}]}')), id="NUL in the id"),
        pytest.param(saying(answer("200 OK", b'"' + b"x" * 300_000 + b'"')), id="far too long"),
        pytest.param(saying(answer("204 No Content", b"")), id="no content"),
    ],
)
async def test_a_success_that_cannot_be_read_was_most_likely_sent(http: ProviderHttp, behave: Behaviour) -> None:
    async with serving(behave) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert isinstance(result, Uncertain)
        assert result.likely_sent
        assert len(server.requests) == 1


async def test_a_surprise_beside_the_id_does_not_hide_that_the_send_was_taken(http: ProviderHttp) -> None:
    body = b'{"contacts":null,"messages":[{"id":"wamid.ONE","message_status":{"x":1}}],"new":[]}'
    async with serving(saying(answer("200 OK", body))) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert result == Sent(provider_message_id="wamid.ONE")


# --- refused early, odd servers -------------------------------------------------------------------------------------


async def test_a_refusal_that_arrives_before_the_body_was_read_is_a_refusal(http: ProviderHttp) -> None:
    error = msgspec.json.encode({"error": {"code": 100, "message": "(#100) Invalid parameter"}})

    async def refuse_unread(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("400 Bad Request", error, extra="Connection: close\r\n"))
        await writer.drain()
        await server.release.wait()

    async with serving(refuse_unread) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert isinstance(result, Rejected)
        assert result.code == "100"


async def test_a_redirect_is_not_followed(http: ProviderHttp) -> None:
    async with serving(saying(answer("200 OK", ACCEPTED))) as elsewhere:
        away = answer("307 Temporary Redirect", b"", extra=f"Location: {elsewhere.url}/\r\n")
        async with serving(saying(away)) as server:
            result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

            assert isinstance(result, Uncertain)
            assert elsewhere.requests == []


async def test_an_answer_that_is_compressed_unasked_is_read_all_the_same(http: ProviderHttp) -> None:
    packed = answer("200 OK", gzip.compress(ACCEPTED), extra="Content-Encoding: gzip\r\n")
    async with serving(saying(packed)) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert isinstance(result, Sent)


async def test_cookies_are_neither_kept_nor_sent_back(http: ProviderHttp) -> None:
    baked = answer("200 OK", ACCEPTED, extra="Set-Cookie: a=b; Path=/\r\n")
    async with serving(saying(baked)) as server:
        gateway = a_gateway(http, server.url)

        for _ in range(2):
            await gateway.send(an_outgoing(), may_start=Permission())

        assert all(b"cookie" not in request.lower() for request in server.requests)


async def test_proxies_of_the_environment_are_ignored(http: ProviderHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{a_closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with serving(saying(answer("200 OK", ACCEPTED))) as server:
        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert isinstance(result, Sent)


async def test_failures_leak_no_connection() -> None:
    http = ProviderHttp(connections=2, timeouts=QUICK)
    async with serving(reading_then_resetting) as broken, serving(saying(answer("200 OK", ACCEPTED))) as good:
        for _ in range(20):
            await a_gateway(http, broken.url).send(an_outgoing(), may_start=Permission())
            await a_gateway(http, broken.url).send(an_outgoing(), may_start=Permission(allow=False))

        results = await asyncio.gather(
            *(a_gateway(http, good.url).send(an_outgoing(), may_start=Permission()) for _ in range(20))
        )
        again = await a_gateway(http, broken.url).send(an_outgoing(), may_start=Permission())

        assert all(isinstance(result, Sent) for result in results)
        assert good.connections <= 2
        assert isinstance(again, Uncertain)
    await http.aclose()


async def test_a_cancelled_send_frees_its_slot() -> None:
    http = ProviderHttp(connections=1, timeouts=QUICK)
    async with serving(hanging) as server, serving(saying(answer("200 OK", ACCEPTED))):
        task = asyncio.create_task(a_gateway(http, server.url).send(an_outgoing(), may_start=Permission()))
        await _until(lambda: len(server.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        result = await a_gateway(http, server.url).send(an_outgoing(), may_start=Permission())

        assert isinstance(result, Uncertain), "the slot was free: this send got as far as waiting for an answer"
    await http.aclose()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)
