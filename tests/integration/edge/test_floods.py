"""Floods over raw sockets at the real processes: their memory stays flat, and others are answered meanwhile."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest

from tests.integration.edge.processes import HOST, Running, running

# What the allocator and caches may keep. Unbounded, one flood of these took a process to gigabytes.
_FLAT_MIB = 64
_AT_ONCE = 8
_MOST = 32 * 2**20
_CONNECTIONS = 200

SETTINGS = {
    "APP_MASTER_KEY": bytes(range(32)).hex(),
    "APP_DATABASE_POOL_SIZE": "4",
    "APP_HTTP_CONNECTIONS": str(_CONNECTIONS),
    "APP_HTTP_HEAD_SECONDS": "1",
    "APP_HTTP_BODY_SECONDS": "1",
    "APP_LOG_LEVEL": "warning",
}

Flood = Callable[[int], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
async def processes(
    _shared_database: str, redis_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Running]]:
    environ = SETTINGS | {"APP_DATABASE_URL": _shared_database, "APP_REDIS_URL": redis_server.url}
    async with running(tmp_path_factory.mktemp("floods"), environ, "api", "webhooks", "worker") as found:
        yield found


async def pour(port: int, head: bytes, unit: bytes) -> None:
    """Send `head`, then `unit` again and again, until cut off or a limit is reached; nothing is ever read."""
    loop = asyncio.get_running_loop()
    with socket.socket() as caller, contextlib.suppress(ConnectionError):
        caller.setblocking(False)
        await loop.sock_connect(caller, (HOST, port))
        await loop.sock_sendall(caller, head)
        block = unit * max(1, 65_536 // len(unit))
        for _ in range(0, _MOST, len(block)):
            await loop.sock_sendall(caller, block)


def poured(head: str, unit: bytes) -> Flood:
    async def flood(port: int) -> None:
        await asyncio.gather(*(pour(port, head.encode(), unit) for _ in range(_AT_ONCE)))

    return flood


async def silent_connections(port: int) -> None:
    """Three times as many as may be open, each with half a head, all held at once."""
    callers = []
    try:
        for _ in range(3 * _CONNECTIONS):
            with contextlib.suppress(ConnectionError):
                callers.append(await asyncio.open_connection(HOST, port))
                callers[-1][1].write(b"GET /healthz HTTP/1.1\r\n")
    finally:
        for _, writer in callers:
            writer.transport.abort()


_GET = "GET /healthz HTTP/1.1\r\nHost: x\r\n"
_POST = "HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_CHUNK = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
FLOODS: dict[str, Flood] = {
    "header lines": poured(_GET, b"a: b\r\n"),
    "a header's value": poured(f"{_GET}X: ", b"y"),
    "the address": poured("GET /", b"y"),
    "line ends": poured("", b"\r\n"),
    "requests in a row": poured("", f"{_GET}\r\n".encode()),
    "a body for nobody": poured(f"POST /webhooks/whatsapp_cloud/wht_0000000000000000 {_POST}", _CHUNK),
    "a body without a key": poured(f"POST /v1/messages {_POST}", _CHUNK),
    "a chunk's extension": poured(f"POST /v1/messages {_POST}1;", b"y"),
    "trailers": poured(f"POST /v1/messages {_POST}1\r\nx\r\n0\r\n", b"a: b\r\n"),
    "silent connections": silent_connections,
}


AIMED_AT = {
    "api": tuple(FLOODS),
    "webhooks": ("header lines", "a header's value", "a body for nobody", "silent connections"),
    "worker": ("header lines", "a header's value", "requests in a row", "silent connections"),
}


@pytest.mark.parametrize("name", AIMED_AT)
async def test_no_flood_makes_a_process_grow_and_others_are_answered(name: str, processes: dict[str, Running]) -> None:
    process = processes[name]
    before = process.mib

    for kind in AIMED_AT[name]:
        under_way = asyncio.create_task(FLOODS[kind](process.port))
        answered = 0
        while not under_way.done() or answered < 3:
            assert await is_alive(process.port), kind
            answered += 1
        await under_way
        assert process.mib - before < _FLAT_MIB, kind


async def test_operators_have_a_listener_of_their_own(processes: dict[str, Running]) -> None:
    api = processes["api"]
    paths = ("/healthz", "/problems/rate_limited", "/metrics", "/docs", "/admin/v1/tenants")
    statuses = {}
    async with httpx.AsyncClient(trust_env=False) as caller:
        for port in (api.port, api.admin_port):
            statuses[port] = [(await caller.get(f"http://{HOST}:{port}{path}")).status_code for path in paths]

    assert statuses == {api.port: [200, 200, 404, 404, 404], api.admin_port: [200, 200, 200, 200, 401]}


async def is_alive(port: int) -> bool:
    """Asked over a new connection, as a load balancer does."""
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(f"{_GET}Connection: close\r\n\r\n".encode())
            return (await reader.read()).startswith(b"HTTP/1.1 200 ")
        finally:
            writer.transport.abort()
