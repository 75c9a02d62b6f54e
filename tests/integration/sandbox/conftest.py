"""One sandbox and one webhook server for all tests here; each test gets a business of its own."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from messaging.entrypoints.sandbox import SandboxConfig, Settings, serving
from tests.integration.sandbox.business import Business
from tests.integration.sandbox.receiver import Receiver

QUICK = Settings(
    webhook_delay_min_ms=1,
    webhook_delay_max_ms=3,
    webhook_late_ms=60,
    webhook_retry_initial_ms=5,
    webhook_retry_max_ms=20,
    review_delay_ms=1,
    slow_ms=40,
    hang_max_ms=5_000,
)
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture(scope="session")
async def sandbox_url(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> AsyncIterator[str]:
    directory: Path = tmp_path_factory.mktemp("sandbox")
    async with serving(SandboxConfig(state_dir=directory, settings=QUICK)) as url:
        yield url


@pytest.fixture(scope="session")
async def client(sandbox_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as client:
        yield client


@pytest.fixture
async def http(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """The client, with settings and faults put back after the test."""
    yield client
    await client.post("/_control/settings", json=msgspec.to_builtins(QUICK))
    await client.delete("/_control/faults")


@pytest.fixture
async def business(http: httpx.AsyncClient, receiver: Receiver) -> Business:
    number = next(_numbers)
    business = Business(http, number, receiver.inbox(f"b{number}"))
    await business.join()
    return business


@pytest.fixture
async def rival(http: httpx.AsyncClient, receiver: Receiver) -> Business:
    number = next(_numbers)
    rival = Business(http, number, receiver.inbox(f"b{number}"))
    await rival.join()
    return rival
