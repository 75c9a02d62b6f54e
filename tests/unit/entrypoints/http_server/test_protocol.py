"""What a listener refuses before any application sees it: over a real socket, with a small application behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.http_server.listening import listening
from messaging.entrypoints.observability.asgi import Receive, Scope, Send
from tests.unit.application.webhooks.doubles import Counts

# Nobody is too slow for these, however loaded the machine; everybody is for the others.
BOUNDS = HttpBounds(connections=4, head_seconds=100, body_seconds=100, probes=1, pipelined=3, silent_seconds=0)
HASTY = replace(BOUNDS, connections=100, head_seconds=0.1, body_seconds=0.1, sweep_seconds=0.05)


def request(path: str = "/", *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", *lines, "", "")).encode()


class Shop:
    """An application that reads bodies, and answers with their size; `closed` holds its answers back."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        size, more = 0, scope["path"] != "/unread"
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            size += len(event["body"])
            more = event["more_body"]
        if scope["path"] != "/healthz":
            await self.open.wait()
        self.headers.append(list(scope["headers"]))
        body = str(size).encode()
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        async with asyncio.timeout(60):
            head = await self._reader.readuntil(b"\r\n\r\n")
            lines = [line.partition(b": ") for line in head.lower().split(b"\r\n")]
            (size,) = [int(value) for name, _, value in lines if name == b"content-length"]
            return int(head.split()[1]), await self._reader.readexactly(size)

    async def status(self) -> int:
        return (await self.answer())[0]

    async def is_closed(self) -> bool:
        """Waits for the end."""
        async with asyncio.timeout(60):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    def hang_up(self) -> None:
        self._writer.transport.abort()


Connect = Callable[[], Awaitable["Client"]]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def counts() -> Counts:
    return Counts()


@asynccontextmanager
async def serving(shop: Shop, counts: Counts, bounds: HttpBounds) -> AsyncIterator[Connect]:
    clients: list[Client] = []
    async with listening(shop, host="127.0.0.1", port=0, telemetry=counts, bounds=bounds) as port:

        async def connect() -> Client:
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            clients.append(client)
            return client

        yield connect
        for client in clients:
            client.hang_up()


@pytest.fixture
async def connect(shop: Shop, counts: Counts) -> AsyncIterator[Connect]:
    async with serving(shop, counts, BOUNDS) as connect:
        yield connect


CHUNKED = request("/", "Transfer-Encoding: chunked", method="POST")
MANY = [f"X-{n}: y" for n in range(200)]
REFUSED = {
    "many lines": (request("/", *MANY), 431),
    "endless lines": (request()[:-2] + b"a:\r\n" * 100_000, 431),
    "a long value": (request("/", "X: " + "y" * 40_000), 431),
    "an endless value": (request()[:-2] + b"X: " + b"y" * 1_000_000, 431),
    "an endless name": (request()[:-2] + b"x" * 1_000_000, 431),
    "a long address": (request("/" + "x" * 9_000), 414),
    "an endless address": (b"GET /" + b"x" * 1_000_000, 414),
    "endless line ends": (b"\r\n" * 500_000, 431),
    "endless trailers": (CHUNKED + b"1\r\nx\r\n0\r\n" + b"a: b\r\n" * 100_000, 431),
    "an endless trailer": (CHUNKED + b"1\r\nx\r\n0\r\na: " + b"b" * 1_000_000, 431),
    "an endless extension": (CHUNKED + b"1;" + b"b" * 1_000_000, 431),
    "a chunk size of endless zeros": (CHUNKED + b"0" * 1_000_000, 431),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "two hosts": (request("/", "Host: y"), 400),
    "two credentials": (request("/", "Authorization: a", "authorization: b"), 400),
    "two keys": (request("/", "Idempotency-Key: a", "Idempotency-Key: a"), 400),
    "two types": (request("/", "Content-Type: a", "Content-Type: b"), 400),
    "two lengths": (request("/", "Content-Length: 1", "Content-Length: 1", method="POST") + b"x", 400),
    "length and chunks": (request("/", "Content-Length: 1", "Transfer-Encoding: chunked", method="POST"), 400),
}


async def test_what_is_out_of_bounds_is_refused_and_the_connection_ends(shop: Shop, counts: Counts) -> None:
    async with serving(shop, counts, replace(BOUNDS, connections=100)) as connect:

        async def refusal(sent: bytes) -> int:
            client = await connect()
            client.send(sent)
            status, body = await client.answer()
            assert b'"code":' in body
            assert await client.is_closed()
            return status

        answers = await asyncio.gather(*(refusal(sent) for sent, _ in REFUSED.values()))

    assert dict(zip(REFUSED, answers, strict=True)) == {name: expected for name, (_, expected) in REFUSED.items()}
    assert shop.headers == []


async def test_what_is_within_bounds_is_answered(connect: Connect, shop: Shop) -> None:
    client = await connect()
    for sent, size in (
        (request("/" + "x" * 8_000, *MANY[:90]), b"0"),
        (request("/", "X: " + "y" * 30_000), b"0"),
        (request("/", "Via: a", "Via: b", "Cookie: a", "Cookie: b"), b"0"),
        (request("/", "Content-Length: 3000000", method="POST") + b"x" * 3_000_000, b"3000000"),
        (CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\nIdempotency-Key: trailing\r\n\r\n", b"50000"),
        (request("/", "Upgrade: websocket", "Connection: upgrade"), b"0"),
    ):
        client.send(sent)
        assert await client.answer() == (200, size)
        client = await connect() if b"upgrade" in sent else client

    assert not any(value == b"trailing" for headers in shop.headers for _, value in headers)


async def test_requests_in_a_row_are_answered_in_order_and_too_many_of_them_are_not(
    connect: Connect, shop: Shop
) -> None:
    client, greedy = await connect(), await connect()

    client.send(request("/1") + request("/2") + request("/3"))
    assert [await client.status() for _ in range(3)] == [200, 200, 200]
    assert shop.paths == ["/1", "/2", "/3"]

    greedy.send(request("/") * 1_000)
    assert [await greedy.status() for _ in range(4)] == [200, 200, 200, 200]
    assert await greedy.is_closed()


@pytest.mark.parametrize(
    "half",
    [b"GET / HTTP/1.1\r\nHost:", request("/", "Content-Length: 10", method="POST") + b"12345"],
    ids=["of a head", "of a body"],
)
async def test_half_a_request_is_not_waited_for_for_ever(half: bytes, shop: Shop, counts: Counts) -> None:
    async with serving(shop, counts, HASTY) as connect:
        client = await connect()

        client.send(half)

        assert await client.status() == 408
        assert await client.is_closed()


@pytest.mark.parametrize("unit", [b"", b"\r\n"], ids=["nothing", "a line end"])
async def test_a_connection_that_asks_for_nothing_is_closed(unit: bytes, shop: Shop, counts: Counts) -> None:
    async with serving(shop, counts, HASTY) as connect:
        client = await connect()

        client.send(unit)

        assert await client.is_closed()


async def test_a_body_that_nobody_reads_does_not_go_on_for_ever(shop: Shop, counts: Counts) -> None:
    async with serving(shop, counts, HASTY) as connect:
        client = await connect()
        client.send(request("/unread", "Transfer-Encoding: chunked", method="POST"))
        assert await client.status() == 200

        client.send(b"ffff\r\n" + b"x" * 0xFFFF)

        assert await client.is_closed()


async def test_a_newcomer_takes_the_place_of_one_that_asks_for_nothing(connect: Connect, counts: Counts) -> None:
    served = await connect()
    served.send(request())
    assert await served.status() == 200
    for _ in range(BOUNDS.connections - 1):
        await connect()

    newcomer = await connect()
    newcomer.send(request())

    assert await newcomer.status() == 200
    assert counts.seen["http_refusals{reason=made_room}"] == 1
    served.send(request())
    assert await served.status() == 200


async def test_while_all_are_busy_only_probes_are_answered(connect: Connect, shop: Shop) -> None:
    busy = await all_busy(connect, shop)

    probe = await connect()
    probe.send(request("/healthz"))
    assert await probe.status() == 200
    probe.send(request("/"))
    assert await probe.status() == 503
    assert await probe.is_closed()

    shop.open.set()
    assert [await client.status() for client in busy] == [200] * len(busy)


async def test_beyond_even_those_a_newcomer_is_told_at_once(shop: Shop, counts: Counts) -> None:
    async with serving(shop, counts, replace(BOUNDS, probes=0)) as connect:
        busy = await all_busy(connect, shop)

        told = await connect()
        assert await told.status() == 503
        assert await told.is_closed()

        shop.open.set()
        assert [await client.status() for client in busy] == [200] * len(busy)


async def all_busy(connect: Connect, shop: Shop) -> list[Client]:
    """As many connections as there may be, each with a request that waits for `shop.open`."""
    shop.open.clear()
    busy = [await connect() for _ in range(BOUNDS.connections)]
    for client in busy:
        client.send(request())
    async with asyncio.timeout(60):
        while len(shop.paths) < len(busy):
            await asyncio.sleep(0.01)
    return busy
