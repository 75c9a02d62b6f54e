"""`app doctor` on a real installation: what is broken is said, and everything else is looked at all the same."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from messaging.application.ports.sender_health import HealthChange
from messaging.domain.messages.pacing.breaker import Breaker, BreakerState, Trouble
from messaging.domain.messages.pacing.sender_health import HEALTHY, Subject
from messaging.domain.messages.retry import Scope
from messaging.entrypoints.composition.doctor import diagnose
from messaging.entrypoints.composition.doctor.finding import Finding, Severity
from messaging.entrypoints.composition.health.process import lanes_carried
from messaging.entrypoints.composition.providers import CARRIED
from messaging.entrypoints.lab.dev.servers.logins import Logins
from messaging.entrypoints.sandbox import SandboxConfig, serving
from messaging.entrypoints.settings.values import MasterKey
from tests.builders import ACCOUNT, PHONE_NUMBER_ID, WABA_ID
from tests.integration.webhooks.platform import Platform, platform_on
from tests.logins import database_settings
from tests.seeding import a_new_message, accept

MASTER_KEY = bytes(range(32)).hex()


@pytest.fixture
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(SandboxConfig(state_dir=tmp_path_factory.mktemp("sandbox"))) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        await knows(client, "EAAtoken")
        yield client


@pytest.fixture
async def platform(
    database: str, redis_url: str, logins: Logins, sandbox: httpx.AsyncClient
) -> AsyncIterator[Platform]:
    """Connected at the sandbox, with a worker that takes everything; nothing listens for webhooks."""
    urls = {"APP_WHATSAPP_BASE_URL": str(sandbox.base_url), "APP_WEBHOOKS_PUBLIC_URL": "http://127.0.0.1:1"}
    async with platform_on(database, redis_url, logins, **urls) as platform:
        await platform.application.adapters.workers().tell("w1", lanes_carried(CARRIED), webhooks=True)
        yield platform


async def knows(sandbox: httpx.AsyncClient, token: str) -> None:
    """From now on the provider takes this token of the account, and no other."""
    numbers = [{"id": PHONE_NUMBER_ID, "display_phone_number": "+15550783881"}]
    business = {"waba_id": WABA_ID, "access_token": token, "app_secret": "secret", "phone_numbers": numbers}
    answer = await sandbox.post("/_control/accounts", json=business)
    assert answer.is_success, answer.text


async def frozen(platform: Platform) -> None:
    """The only worker has not been heard of for a minute, and an OTP has been due for five."""
    due = datetime.now(UTC) - timedelta(minutes=5)
    await accept(platform.application.adapters.resources().engines, [a_new_message(send_at=None)])
    await platform.rows("UPDATE workers SET seen_at = seen_at - interval '1 minute' RETURNING name")
    await platform.rows("UPDATE dispatches SET due_at = $1, priority = 'critical' RETURNING kind", due)


async def breaker_opened(platform: Platform) -> None:
    records = platform.application.adapters.health_records()
    at = (await records.read([])).now
    stopped = Breaker(
        state=BreakerState.OPEN, since=at, retry_at=at + 60, trouble=Trouble.UNAUTHORIZED, code="190", openings=7
    )
    (swapped,) = await records.swap(
        [HealthChange(Subject(Scope.ACCOUNT, ACCOUNT), HEALTHY, replace(HEALTHY, breaker=stopped))]
    )
    assert swapped


async def set_aside(platform: Platform) -> None:
    await platform.rows(
        "INSERT INTO raw_webhooks (tenant_id, id, account_id, received_at, provider, status, digest, sealed, problem)"
        " SELECT tenant_id, gen_random_uuid(), id, clock_timestamp(), provider, 'set_aside', sha256('x'), 'x', 'odd'"
        " FROM provider_accounts RETURNING id"
    )


def of(findings: Sequence[Finding], severity: Severity) -> dict[str, str]:
    """What is said and how it is mended, by name."""
    return {it.name: f"{it.detail} / {it.mend}" for it in findings if it.severity is severity}


async def test_a_frozen_worker_an_open_breaker_and_a_revoked_token_are_told(
    platform: Platform, sandbox: httpx.AsyncClient
) -> None:
    well = await diagnose(platform.settings)
    await frozen(platform)
    await breaker_opened(platform)
    await knows(sandbox, "EAAanother")
    await set_aside(platform)
    ill = await diagnose(platform.settings)

    assert of(well, Severity.FAILED) == {}
    # Nothing listens for webhooks here, and none has ever come.
    assert set(of(well, Severity.WARNING)) == {"public_url", "webhooks"}
    assert {"master_key", "lanes", "senders", "tokens", "dead_letters", "clock"} <= set(of(well, Severity.OK))
    broken = of(ill, Severity.FAILED)
    assert set(broken) == {"workers", "relay_lag", "lanes", "senders", "tokens"}
    assert "gone without leaving: w1" in broken["workers"]
    assert "/ app worker" in broken["workers"]
    assert "whatsapp/critical 1 due" in broken["lanes"]
    assert "1 of 1 held back as unauthorized" in broken["senders"]
    assert "code 190" in broken["senders"]
    assert "is refused" in broken["tokens"]
    assert "EAA" not in broken["tokens"]
    assert "PATCH /v1/provider-accounts/" in broken["tokens"]
    assert "app webhooks replay" in of(ill, Severity.WARNING)["webhooks"]


async def test_without_a_worker_everything_else_is_looked_at(platform: Platform) -> None:
    await platform.application.adapters.workers().leave("w1")
    other_key = replace(platform.settings, master_key=MasterKey(bytes(32).hex()))

    found = of(await diagnose(other_key), Severity.FAILED)

    assert {"workers", "master_key", "tokens"} == set(found)
    assert "restore that key as APP_MASTER_KEY" in found["master_key"]


async def test_the_command_tells_what_failed_and_how_bad_it_is(
    platform: Platform, sandbox: httpx.AsyncClient, database: str, redis_url: str, logins: Logins
) -> None:
    await platform.application.adapters.workers().leave("w1")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("APP_")},
        **database_settings(database, logins),
        "APP_REDIS_URL": redis_url,
        "APP_MASTER_KEY": MASTER_KEY,
        "APP_WHATSAPP_BASE_URL": str(sandbox.base_url),
        "APP_WEBHOOKS_PUBLIC_URL": "http://127.0.0.1:1",
    }

    told = await asyncio.to_thread(_doctor, environ)

    checks: dict[str, Any] = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
    assert told.returncode == 1, told.stderr
    assert (checks["workers"]["severity"], checks["workers"]["mend"]) == ("failed", "app worker")
    assert checks["master_key"]["severity"] == "ok"
    assert "not well: workers" in told.stderr


def _doctor(environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "messaging.entrypoints.cli", "doctor", "--json"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
