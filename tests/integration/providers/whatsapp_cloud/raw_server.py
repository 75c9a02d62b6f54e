"""A provider at the level of sockets: says exactly the bytes a test wants said, and counts what reached it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Behaviour = Callable[["RawServer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """`requests` are the complete requests received, over all connections."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave
        self.requests: list[bytes] = []
        self.connections = 0
        self.bytes_received = 0
        self.port = 0
        self.release = asyncio.Event()
        # Set once a connection has ended.
        self.left = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            await self._behave(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, which is what some tests are about
        finally:
            self._open.discard(writer)
            writer.close()
            self.left.set()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Read one complete request."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.bytes_received += len(head)
        length = next((int(v) for n, _, v in _headers(head) if n == b"content-length"), 0)
        body = await reader.readexactly(length)
        self.bytes_received += length
        self.requests.append(head + body)
        return head + body

    async def closed(self) -> None:
        for writer in list(self._open):
            writer.close()


def _headers(head: bytes) -> list[tuple[bytes, bytes, bytes]]:
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:] if line]
    return [(name.strip().lower(), colon, value.strip()) for name, colon, value in lines]


@asynccontextmanager
async def serving(behave: Behaviour) -> AsyncIterator[RawServer]:
    raw = RawServer(behave)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        raw.release.set()
        await raw.closed()
        server.close()
        await server.wait_closed()


def answer(status: str, body: bytes, *, content_type: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def saying(data: bytes, *, then_close: bool = False) -> Behaviour:
    """Answer every request with these bytes."""

    async def behave(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.request(reader)
            writer.write(data)
            await writer.drain()
            if then_close:
                return

    return behave


async def reading_then_closing(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.request(reader)


async def hanging(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the request and say nothing until the test is over."""
    await server.request(reader)
    await server.release.wait()


async def reading_then_resetting(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.request(reader)
    reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset instead of an orderly end."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def a_closed_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
