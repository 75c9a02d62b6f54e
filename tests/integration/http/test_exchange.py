"""What an endpoint can do to an exchange: hang, flood, deceive. Every end is told apart, within limits."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest
import trustme

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.http.safe_egress.exchange import HttpCallbackExchange, Limits
from messaging.application.ports.callbacks.delivering.exchange import Answered, CallbackRequest, NoAnswer
from tests.endpoint import OK, Endpoint, Manner, an_endpoint, hang_up, repeating, saying, silence

LOOPBACK: Final = AddressRule(allow=[ip_network("127.0.0.0/8")])
# Long enough for any machine: what is tried here ends by itself.
AMPLE: Final = 60.0
# What is tried with it never ends by itself.
SHORT: Final = 0.05

OpenExchange = Callable[..., HttpCallbackExchange]


@pytest.fixture
async def exchange_with() -> AsyncIterator[OpenExchange]:
    """Opens exchanges with the given limits and closes them."""
    opened: list[HttpCallbackExchange] = []

    def open_exchange(limits: dict[str, float] | None = None, **options: Any) -> HttpCallbackExchange:
        tuned = Limits(**{"connect": AMPLE, "body_seconds": AMPLE, "keep_alive": AMPLE, **(limits or {})})  # type: ignore[arg-type]
        opened.append(HttpCallbackExchange(LOOPBACK, limits=tuned, **options))
        return opened[-1]

    yield open_exchange
    for exchange in opened:
        await exchange.aclose()


def a_request(
    endpoint: Endpoint,
    headers: Mapping[str, str] | None = None,
    *,
    timeout: float = AMPLE,
    pool: str = "cbe_1",
    path: str = "/",
) -> CallbackRequest:
    url = f"http://127.0.0.1:{endpoint.port}{path}"
    return CallbackRequest(url=url, headers=headers or {}, body=b"{}", timeout=timeout, pool=pool)


async def test_the_request_has_the_given_headers_and_none_that_tell_of_us(exchange_with: OpenExchange) -> None:
    async with an_endpoint() as endpoint:
        await exchange_with().post(a_request(endpoint, {"token": "a b"}, path="/a;b/%20?c=%2F"))

        lines = endpoint.received[0].head.decode().split("\r\n")

    assert lines[0] == "POST /a;b/%20?c=%2F HTTP/1.1"
    assert sorted(line.lower() for line in lines[1:] if line) == [
        "accept-encoding: identity",
        "content-length: 2",
        f"host: 127.0.0.1:{endpoint.port}",
        "token: a b",
    ]


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "connection", "Expect", "bad name", "", "x:y", "é"]
)
async def test_a_header_that_is_http_s_own_or_none_is_refused_before_anything_is_connected(
    name: str, exchange_with: OpenExchange
) -> None:
    async with an_endpoint() as endpoint:
        with pytest.raises(ValueError, match="header"):
            await exchange_with().post(a_request(endpoint, {name: "1"}))

        assert endpoint.connections == 0


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\x00b", "a\u0141b", "\x7f"])
async def test_a_header_s_value_ends_no_line(value: str, exchange_with: OpenExchange) -> None:
    async with an_endpoint() as endpoint:
        with pytest.raises(ValueError, match="header"):
            await exchange_with().post(a_request(endpoint, {"token": value}))

        assert endpoint.connections == 0


@pytest.mark.parametrize(
    ("manner", "failure"),
    [
        (silence, "timeout"),
        (hang_up, "reset"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "not_http"),
        (saying(b"HTTP/1.1 banana\r\n\r\n"), "not_http"),
        (saying(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"), "not_http"),
        (saying(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok"), "not_http"),
        (repeating(b"HTTP/1.1 200 OK\r\n", b"x: " + b"y" * 1_000 + b"\r\n"), "head_too_long"),
        (repeating(b"HTTP/1.1 200 OK\r\nx: ", b"y" * 1_000), "head_too_long"),
        (repeating(b"HTTP/1.1 200 ", b"y" * 1_000), "head_too_long"),
        (repeating(b"", b"HTTP/1.1 103 Early Hints\r\nlink: " + b"x" * 1_000 + b"\r\n\r\n"), "head_too_long"),
        (repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "head_too_long"),
    ],
    ids=[
        "silence", "hang-up", "another protocol", "no status", "two lengths", "length and chunks", "endless headers",
        "endless value", "endless status line", "flood of hints", "flood of continues",
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_is_a_failure_of_its_kind(
    manner: Manner, failure: str, exchange_with: OpenExchange
) -> None:
    async with an_endpoint() as endpoint:
        endpoint.manner = manner

        answer = await exchange_with().post(a_request(endpoint, timeout=SHORT if manner is silence else AMPLE))

    assert isinstance(answer, NoAnswer)
    assert (answer.failure, answer.peer, answer.sent) == (failure, "127.0.0.1", True)
    assert answer.detail
    assert len(endpoint.received) == 1, "nothing is sent a second time"


@pytest.mark.parametrize(
    ("manner", "excerpt"),
    [
        (saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), b""),
        (saying(b"HTTP/1.1 204 No Content\r\n\r\n"), b""),
        (saying(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), b"ok"),
        (saying(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), b"ok"),
        (repeating(b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 10_000), b"y" * 1_024),
        (repeating(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n", b"y" * 10_000), b"y" * 1_024),
    ],
    ids=["empty", "no content", "chunks", "a hint before", "endless", "enormous"],
)
async def test_of_a_body_the_beginning_is_kept(manner: Manner, excerpt: bytes, exchange_with: OpenExchange) -> None:
    async with an_endpoint() as endpoint:
        endpoint.manner = manner

        answer = await exchange_with().post(a_request(endpoint))

    assert isinstance(answer, Answered)
    assert answer.excerpt == excerpt


async def test_a_body_that_is_cut_off_changes_nothing_about_the_status(exchange_with: OpenExchange) -> None:
    async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\nhalf")(reader, writer)
        writer.close()

    async with an_endpoint() as endpoint:
        endpoint.manner = cut_off

        answer = await exchange_with().post(a_request(endpoint))

    assert isinstance(answer, Answered)
    assert (answer.status, answer.excerpt) == (201, b"half")


async def test_a_slow_body_is_left_alone_after_its_time(exchange_with: OpenExchange) -> None:
    async def head_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")(reader, writer)
        await silence(reader, writer)

    async with an_endpoint() as endpoint:
        endpoint.manner = head_only

        answer = await exchange_with({"body_seconds": SHORT}).post(a_request(endpoint))

    assert isinstance(answer, Answered)
    assert (answer.status, answer.excerpt) == (200, b"half")


async def test_a_compressed_body_is_not_unpacked(exchange_with: OpenExchange) -> None:
    bomb = gzip.compress(b"\x00" * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(bomb)}\r\n\r\n"
    async with an_endpoint() as endpoint:
        endpoint.manner = saying(head.encode() + bomb)

        answer = await exchange_with().post(a_request(endpoint))

    assert isinstance(answer, Answered)
    assert answer.excerpt == bomb[:1_024]


async def test_of_headers_with_one_name_the_first_counts(exchange_with: OpenExchange) -> None:
    async with an_endpoint() as endpoint:
        endpoint.manner = saying(b"HTTP/1.1 503 No\r\nRetry-After: 1\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n")

        answer = await exchange_with().post(a_request(endpoint))

    assert isinstance(answer, Answered)
    assert answer.headers["retry-after"] == "1"


async def test_a_refused_connection_is_told_apart(exchange_with: OpenExchange) -> None:
    async with an_endpoint() as endpoint:
        pass

    answer = await exchange_with().post(a_request(endpoint))

    assert isinstance(answer, NoAnswer)
    assert (answer.failure, answer.sent, answer.peer) == ("refused", False, None)


async def test_a_connection_is_used_again_within_a_pool_and_by_nobody_else(exchange_with: OpenExchange) -> None:
    exchange = exchange_with()
    async with an_endpoint() as endpoint:
        for pool in ("cbe_1", "cbe_1", "cbe_2", "cbe_1"):
            await exchange.post(a_request(endpoint, pool=pool))

        assert [received.connection for received in endpoint.received] == [1, 1, 2, 1]


async def test_a_connection_gets_no_older_than_its_limit(exchange_with: OpenExchange) -> None:
    exchange = exchange_with({"oldest": 0.0})
    async with an_endpoint() as endpoint:
        for _ in range(2):
            await exchange.post(a_request(endpoint))

        assert [received.connection for received in endpoint.received] == [1, 2]


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(exchange_with: OpenExchange) -> None:
    exchange = exchange_with()
    async with an_endpoint() as endpoint:
        endpoint.manner = saying(OK + b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")

        answers = [await exchange.post(a_request(endpoint)) for _ in range(3)]

        assert [answer.status for answer in answers if isinstance(answer, Answered)] == [200, 200, 200]
        assert [received.connection for received in endpoint.received] == [1, 2, 3]


async def test_a_late_answer_that_nobody_asked_for_is_not_taken_either(exchange_with: OpenExchange) -> None:
    exchange = exchange_with()
    writers: list[asyncio.StreamWriter] = []

    async def answer_and_remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await saying(OK)(reader, writer)

    async with an_endpoint() as endpoint:
        endpoint.manner = answer_and_remember
        await exchange.post(a_request(endpoint))
        writers[0].write(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")
        await writers[0].drain()
        # Another connection answers, so what was written before on the first one has been read too.
        await exchange.post(a_request(endpoint, pool="cbe_2"))

        answer = await exchange.post(a_request(endpoint))

        assert isinstance(answer, Answered)
        assert answer.status == 200


async def test_cookies_are_not_kept(exchange_with: OpenExchange) -> None:
    exchange = exchange_with()
    async with an_endpoint() as endpoint:
        endpoint.manner = saying(b"HTTP/1.1 200 OK\r\nset-cookie: a=b; path=/\r\ncontent-length: 0\r\n\r\n")

        for _ in range(2):
            await exchange.post(a_request(endpoint))

        assert all(b"cookie" not in received.head.lower() for received in endpoint.received)


async def test_a_name_server_that_hangs_holds_up_nobody_else(exchange_with: OpenExchange) -> None:
    """A name that hangs occupies one thread however often it is asked for."""
    answered, asked = Event(), []

    def lookup(host: str) -> Sequence[str]:
        asked.append(host)
        if host == "hangs.example":
            answered.wait(AMPLE)
        return ["127.0.0.1"]

    exchange = exchange_with({"connect": SHORT}, lookup=lookup)
    healthy = exchange_with(lookup=lookup)
    try:
        async with an_endpoint() as endpoint:
            hanging = CallbackRequest(
                url=f"http://hangs.example:{endpoint.port}/", headers={}, body=b"", timeout=AMPLE, pool="cbe_1"
            )
            failures = await asyncio.gather(*(exchange.post(hanging) for _ in range(50)))
            other = CallbackRequest(
                url=f"http://answers.example:{endpoint.port}/", headers={}, body=b"", timeout=AMPLE, pool="cbe_2"
            )

            assert isinstance(await healthy.post(other), Answered)
    finally:
        answered.set()

    assert {it.failure for it in failures if isinstance(it, NoAnswer)} == {"dns"}
    assert asked.count("hangs.example") == 1


# TLS

AUTHORITY: Final = trustme.CA()
TOMORROW: Final = datetime.now(UTC) + timedelta(days=1)
YESTERDAY: Final = datetime.now(UTC) - timedelta(days=1)


def a_server(*names: str, authority: trustme.CA = AUTHORITY, until: datetime = TOMORROW) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=until).configure_cert(context)
    return context


@asynccontextmanager
async def over_tls(context: ssl.SSLContext) -> AsyncIterator[Endpoint]:
    async with an_endpoint(tls=context) as endpoint:
        # A handshake that fails is the client's to tell; the server's loop would print it.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        yield endpoint


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


def securely(endpoint: Endpoint, host: str = "hooks.example") -> CallbackRequest:
    return CallbackRequest(url=f"https://{host}:{endpoint.port}/", headers={}, body=b"{}", timeout=AMPLE, pool="cbe_1")


def here(_: str) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_the_name_of_the_url_is_asked_for_and_checked(exchange_with: OpenExchange, bundle: str) -> None:
    asked: list[str] = []
    context = a_server("hooks.example")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with over_tls(context) as endpoint:
        answer = await exchange_with(lookup=here, ca_bundle=bundle).post(securely(endpoint))

        assert isinstance(answer, Answered), answer
        assert asked == ["hooks.example"]
        assert f"Host: hooks.example:{endpoint.port}".encode() in endpoint.received[0].head


async def test_a_certificate_of_an_address_is_good_for_that_address(exchange_with: OpenExchange, bundle: str) -> None:
    async with over_tls(a_server("127.0.0.1")) as endpoint:
        exchange = exchange_with(ca_bundle=bundle)

        assert isinstance(await exchange.post(securely(endpoint, "127.0.0.1")), Answered)
        assert isinstance(await exchange.post(securely(endpoint, "127.0.0.2")), NoAnswer)


def an_old_server() -> ssl.SSLContext:
    context = a_server("hooks.example")
    for bound, version in (("minimum_version", ssl.TLSVersion.TLSv1), ("maximum_version", ssl.TLSVersion.TLSv1_1)):
        with pytest.warns(DeprecationWarning, match="deprecated"):
            setattr(context, bound, version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (lambda: a_server("hooks.example", authority=trustme.CA()), "unable to get local issuer"),
        (lambda: a_server("hooks.example", until=YESTERDAY), "expired"),
        (lambda: a_server("other.example"), "mismatch"),
        (lambda: a_server("127.0.0.1"), "mismatch"),
        (lambda: a_server("*.hooks.example"), "mismatch"),
        (an_old_server, ""),
    ],
    ids=["unknown authority", "expired", "another name", "only an address", "a wildcard below", "TLS 1.1"],
)
async def test_a_server_that_is_not_who_it_should_be_is_told_nothing(
    server: Callable[[], ssl.SSLContext], said: str, exchange_with: OpenExchange, bundle: str
) -> None:
    async with over_tls(server()) as endpoint:
        answer = await exchange_with(lookup=here, ca_bundle=bundle).post(securely(endpoint))

        assert isinstance(answer, NoAnswer)
        assert (answer.failure, answer.sent) == ("tls", False)
        assert said in answer.detail
        assert endpoint.received == []


async def test_without_the_operator_s_file_its_authority_is_a_stranger(exchange_with: OpenExchange) -> None:
    async with over_tls(a_server("hooks.example")) as endpoint:
        answer = await exchange_with(lookup=here).post(securely(endpoint))

        assert isinstance(answer, NoAnswer)
        assert answer.failure == "tls"


async def test_a_server_that_speaks_no_tls_is_a_failure_of_tls(exchange_with: OpenExchange) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await silence(reader, writer)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    endpoint = Endpoint()
    endpoint.port = server.sockets[0].getsockname()[1]

    answer = await exchange_with(lookup=here).post(securely(endpoint))

    server.close()
    assert isinstance(answer, NoAnswer)
    assert answer.failure == "tls"
