"""Which platform do the journeys run on? One for all of them: every process real, the provider the sandbox."""

from collections.abc import AsyncIterator

import httpx
import pytest

from messaging.entrypoints.dev.onboarding import Number, Plan
from messaging.entrypoints.dev.ports import free_ports
from messaging.entrypoints.dev.seeding import seeded
from messaging.entrypoints.dev.stack import Stack
from tests.journeys.platform import Platform

# Fast senders, so that the journeys spend their time on what they are about; waits for an echo short enough to see end.
_PLAN = Plan(tenant="Journeys", numbers=(Number(address="+15005550006", name="Journeys", per_second=1000),))
_SETTINGS = {"APP_ECHO_GRACE_SECONDS": "4"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one test process: the platform starts once. The crash points take as long, and have one of their own."""
    for item in items:
        if "tests/journeys" in item.path.as_posix():
            own = item.path.stem == "test_crashpoints"
            item.add_marker(pytest.mark.xdist_group("crashpoints" if own else "journeys"))


@pytest.fixture(scope="session")
async def platform() -> AsyncIterator[Platform]:
    said: list[str] = []
    async with Stack(ports=free_ports(), say=said.append, overrides=_SETTINGS) as stack:
        business = await seeded(stack, plan=_PLAN, say=said.append)
        authorization = {"Authorization": f"Bearer {business.api_key}"}
        async with (
            httpx.AsyncClient(base_url=stack.api, headers=authorization, timeout=30) as client,
            httpx.AsyncClient(base_url=stack.sandbox, timeout=30) as sandbox,
        ):
            yield Platform(stack, business, client, sandbox)
