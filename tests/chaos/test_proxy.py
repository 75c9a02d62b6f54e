"""Does the fault proxy do to a connection what it is told, and nothing else?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from messaging.entrypoints.lab.chaos.storm.proxy import FaultProxy


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """In front of an echo server."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return  # what most of these tests do to it
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = FaultProxy("test", target=server.sockets[0].getsockname()[1])
    await proxy.open()
    yield proxy
    await proxy.close()
    server.close()


Line = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
async def line(proxy: FaultProxy) -> AsyncIterator[Line]:
    """Opens a connection and carries something over it in both directions."""
    writers: list[asyncio.StreamWriter] = []

    async def open_line() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writers.append(writer)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        return reader, writer

    yield open_line
    for writer in writers:
        writer.close()


async def test_untouched_it_carries_everything_in_order(line: Line) -> None:
    reader, writer = await line()
    much = bytes(range(256)) * 40_000

    writer.write(much)

    assert await reader.readexactly(len(much)) == much


async def test_a_cut_resets_what_is_open_and_spares_what_comes_later(proxy: FaultProxy, line: Line) -> None:
    reader, _ = await line()

    assert proxy.cut() == 1

    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    await line()


async def test_a_limited_connection_carries_so_many_bytes_and_is_reset(proxy: FaultProxy, line: Line) -> None:
    reader, writer = await line()
    proxy.limit(3)

    writer.write(b"abcdef")

    assert await reader.readexactly(3) == b"abc"
    with pytest.raises(ConnectionResetError):
        await reader.read(1)


async def test_swallowed_bytes_never_arrive_and_the_connection_does_not_outlive_the_loss(
    proxy: FaultProxy, line: Line
) -> None:
    reader, writer = await line()
    proxy.swallows = True
    writer.write(b"lost")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)

    proxy.heal()

    with pytest.raises(ConnectionResetError):
        await reader.read(1)


async def test_a_delay_holds_both_directions_back_and_loses_nothing(proxy: FaultProxy, line: Line) -> None:
    reader, writer = await line()
    loop = asyncio.get_running_loop()
    proxy.delay = 0.05
    began = loop.time()

    writer.write(b"slow")

    assert await reader.readexactly(4) == b"slow"
    assert loop.time() - began >= 0.1


async def test_while_it_refuses_nobody_gets_through(proxy: FaultProxy, line: Line) -> None:
    proxy.refuses = True

    with pytest.raises(ConnectionError):
        await line()


async def test_a_half_close_reaches_the_target_as_an_end(proxy: FaultProxy, line: Line) -> None:
    reader, _ = await line()

    assert proxy.half_close() == 1

    assert await reader.read(1) == b""


async def test_whoever_writes_on_after_a_half_close_is_reset(proxy: FaultProxy) -> None:
    """Against a server that keeps its side open, which most do for a while."""

    async def keep_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(1))
        await over.wait()
        writer.close()

    over = asyncio.Event()
    server = await asyncio.start_server(keep_open, "127.0.0.1", 0)
    proxy.target = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"

    proxy.half_close()
    writer.write(b"b")

    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    over.set()
    writer.close()
    server.close()
