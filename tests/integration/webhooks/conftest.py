"""A connected platform on real Postgres, and a client that speaks to its webhooks application."""

from collections.abc import AsyncIterator

import httpx
import pytest

from messaging.entrypoints.lab.dev.servers.logins import Logins
from tests.integration.webhooks.platform import Platform, platform_on


@pytest.fixture
async def platform(database: str, redis_url: str, logins: Logins) -> AsyncIterator[Platform]:
    async with platform_on(database, redis_url, logins) as platform:
        yield platform


@pytest.fixture
async def client(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(platform.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hooks.test") as client:
        yield client
