"""The API in this process, over real Postgres and the sandbox provider, composed as in production."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar.types import ASGIApp

from messaging.entrypoints.api.app import create_app
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.providers import settings_groups
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.lab.dev.servers.logins import Logins
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis
from messaging.entrypoints.lab.dev.stack import provider_urls
from messaging.entrypoints.sandbox import SandboxConfig, serving
from messaging.entrypoints.sandbox import Settings as SandboxSettings
from messaging.entrypoints.settings.settings import Settings, load
from tests.conftest import _database
from tests.integration.api.callers import Platform, Shop
from tests.logins import database_settings


@pytest.fixture(scope="session")
async def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    quick = SandboxSettings(review_delay_ms=1, webhook_delay_min_ms=1, webhook_delay_max_ms=2)
    async with serving(SandboxConfig(state_dir=tmp_path_factory.mktemp("sandbox"), settings=quick)) as url:
        yield url


@pytest.fixture(scope="session")
async def stored_in(postgres_server: EmbeddedPostgres, _migrated_template: str) -> AsyncIterator[str]:
    """URL of one database for all tests here: each has tenants of its own, which is isolation enough."""
    async for url in _database(postgres_server, template=_migrated_template):
        yield url


@pytest.fixture(scope="session")
async def application(
    stored_in: str, logins: Logins, redis_server: EmbeddedRedis, sandbox_url: str
) -> AsyncIterator[Application]:
    settings = load(
        Settings,
        {
            **database_settings(stored_in, logins),
            "APP_REDIS_URL": redis_server.url,
            "APP_MASTER_KEY": bytes(range(32)).hex(),
            "APP_DATABASE_POOL_SIZE": "4",
            "APP_WEBHOOKS_PUBLIC_URL": "https://hooks.example.com",
            "APP_SANDBOX_BASE_URL": sandbox_url,
            **provider_urls(sandbox_url),
            # Many tests are one caller of one tenant here.
            "APP_FAILED_KEYS_PER_MINUTE": "0",
            "APP_TENANT_CHANGES_PER_MINUTE": "0",
        },
        settings_groups,
    )
    async with open_resources(settings) as resources:
        yield build(settings, resources, worker="test")


@pytest.fixture(scope="session")
async def app(application: Application) -> AsyncIterator[ASGIApp]:
    app = create_app(application)
    async with started(app):
        yield app


@pytest.fixture(scope="session")
async def platform(app: ASGIApp, application: Application, sandbox_url: str) -> AsyncIterator[Platform]:
    key = (await application.access.issue_admin_key()(name="tests")).key
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Litestar's scopes are stricter than httpx's
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://api.test") as client,
        httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as sandbox,
    ):
        yield Platform(client, key, sandbox)


@pytest.fixture
async def shop(platform: Platform) -> Shop:
    return await platform.shop()


@pytest.fixture(scope="session")
async def quiet_shop(platform: Platform) -> Shop:
    """A shop for tests after which it has neither sent nor changed anything."""
    return await platform.shop()


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[None]:
    """What a server does around an application's life."""
    webhooks: asyncio.Queue[Any] = asyncio.Queue()
    outbox: asyncio.Queue[Any] = asyncio.Queue()
    life: Any = asyncio.create_task(_live(app, webhooks, outbox))
    webhooks.put_nowait({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    yield
    webhooks.put_nowait({"type": "lifespan.shutdown"})
    assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
    await life


async def _live(app: Any, webhooks: asyncio.Queue[Any], outbox: asyncio.Queue[Any]) -> None:
    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, webhooks.get, outbox.put)
