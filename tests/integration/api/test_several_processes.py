"""A change of configuration is effective in every process within a second; a revoked key is refused within five.

Each is measured several times and the quickest counts: a busy machine may hold a process up for longer than it polls,
but a wait of ours would show every time.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack

import httpx
import pytest

from messaging.entrypoints.lab.dev.processes.children import ChildProcess
from messaging.entrypoints.lab.dev.processes.loopback import HOST
from messaging.entrypoints.lab.dev.processes.ports import free_ports
from messaging.entrypoints.lab.dev.servers.logins import Logins
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis
from messaging.entrypoints.lab.dev.stack import APP
from tests.integration.api.callers import Json, Platform, Shop
from tests.logins import database_settings

ROUNDS = 3
PATIENCE = 60.0
SEEN_SECONDS, REVOKED_SECONDS = 1.0, 5.0
pytestmark = pytest.mark.several_processes


@pytest.fixture(scope="module")
async def processes(
    stored_in: str,
    logins: Logins,
    redis_server: EmbeddedRedis,
    sandbox_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[httpx.AsyncClient, ...]]:
    """Clients of two `app api` processes on the database of the other tests here."""
    ports, logs = free_ports(), tmp_path_factory.mktemp("processes")
    env = {
        **os.environ,
        **database_settings(stored_in, logins),
        "APP_REDIS_URL": redis_server.url,
        "APP_MASTER_KEY": bytes(range(32)).hex(),
        "APP_DATABASE_POOL_SIZE": "2",
        "APP_WEBHOOKS_PUBLIC_URL": "https://hooks.example.com",
        "APP_SANDBOX_BASE_URL": sandbox_url,
        "APP_WHATSAPP_BASE_URL": sandbox_url,
    }
    async with AsyncExitStack() as stack:
        clients = []
        for port in (ports.api, ports.webhooks):
            command = (*APP, "api", "--host", HOST, "--port", str(port))
            child = await stack.enter_async_context(
                ChildProcess(f"api-{port}", command, log=logs / f"{port}.log", env=env)
            )
            await child.answers(f"http://{HOST}:{port}/readyz")
            client = httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False)
            clients.append(await stack.enter_async_context(client))
        yield tuple(clients)


async def until(shop: Shop, holds: Callable[[httpx.Response], bool]) -> float:
    """Ask what would become of a message until the answer is as wanted; the seconds it took."""
    began = time.monotonic()
    while not holds(answer := await shop.post("/v1/messages/check", shop.message())):
        assert time.monotonic() - began < PATIENCE, answer.text
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def in_all(shops: Sequence[Shop], holds: Callable[[httpx.Response], bool]) -> float:
    """The seconds until the last process answers as wanted."""
    return max(await asyncio.gather(*(until(each, holds) for each in shops)))


def through(client: httpx.AsyncClient, shop: Shop) -> Shop:
    """The same shop as another process sees it."""
    return Shop(client, shop.key, shop.tenant)


def would_send(wanted: bool) -> Callable[[httpx.Response], bool]:
    return lambda answer: answer.status_code == 200 and answer.json()["would_send"] is wanted


async def test_a_change_is_effective_in_every_process_within_a_second(
    shop: Shop, processes: tuple[httpx.AsyncClient, ...]
) -> None:
    shops = [through(client, shop) for client in processes]
    await in_all(shops, would_send(True))

    lags: list[float] = []
    for number in range(ROUNDS):
        active = bool(number % 2)
        changed: Json = {"status": "active" if active else "paused"}
        # Made in one process, and neither of the two is told.
        assert (await shop.patch(f"/v1/senders/{shop.sender}", changed)).status_code == 200
        lags.append(await in_all(shops, would_send(active)))

    assert min(lags) < SEEN_SECONDS


async def test_a_revoked_key_is_refused_by_every_process_within_five_seconds(
    platform: Platform, shop: Shop, processes: tuple[httpx.AsyncClient, ...]
) -> None:
    lags: list[float] = []
    for _ in range(ROUNDS):
        issued = await platform.issue_key(shop.tenant)
        shops = [Shop(client, issued["key"], shop.tenant) for client in processes]
        await in_all(shops, would_send(True))

        revoked = await platform.post(f"/admin/v1/tenants/{shop.tenant}/keys/{issued['id']}/revoke")

        assert revoked.status_code == 200
        lags.append(await in_all(shops, lambda answer: answer.status_code == 401))
        assert [(await each.post("/v1/messages", each.message())).status_code for each in shops] == [401, 401]
    assert min(lags) < REVOKED_SECONDS
