"""A tenant's endpoint for tests: a real listener that answers as it is told and keeps every request."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

# Says what an endpoint does after it has read a request.
Manner = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Received(Struct, frozen=True):
    """One request as it came. `connection` numbers the connections in the order in which they were opened."""

    head: bytes
    body: bytes
    connection: int


def saying(answer: bytes) -> Manner:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return say


def repeating(first: bytes, part: bytes) -> Manner:
    """Say `first`, and then `part` until the other side has gone."""

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(part)
            await writer.drain()

    return say


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing until the other side has gone."""
    await reader.read(1)


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


class Endpoint:
    """`manner` is how it answers; `connections` counts all that were opened, also those that said nothing."""

    def __init__(self) -> None:
        self.manner: Manner = saying(OK)
        self.received: list[Received] = []
        self.connections = 0
        self.port = 0
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                self.received.append(Received(head, body, number))
                await self.manner(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # The other side has gone.
            return
        finally:
            writer.close()
            del self._open[task]

    async def leave(self) -> None:
        """Cut all connections."""
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open, return_exceptions=True)


def _length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in lines if name == b"content-length"), 0)


@asynccontextmanager
async def an_endpoint(
    host: str = "127.0.0.1", *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    server = await asyncio.start_server(endpoint.serve, host, port, ssl=tls)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
        await endpoint.leave()
