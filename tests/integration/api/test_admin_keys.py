"""Keys of the platform's administrators are issued, listed, rotated and revoked; nobody is locked out by accident."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from litestar.types import ASGIApp

from messaging.domain.shared.errors import DomainError
from messaging.entrypoints.api.app import create_app
from messaging.entrypoints.composition.commands import administration
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.lab.dev.servers.logins import Logins
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres
from messaging.entrypoints.settings.settings import Settings, load
from tests.conftest import _database
from tests.integration.api.answers import problem, violations
from tests.integration.api.callers import Caller, Json, Platform
from tests.integration.api.conftest import started
from tests.integration.api.test_setup import everything_stored
from tests.logins import database_settings

KEYS = "/admin/v1/keys"


async def issue(admin: Caller, **body: object) -> tuple[Json, Caller]:
    """A new key, and somebody who calls with it."""
    issued = await admin.post(KEYS, {"name": "Ana"} | body)
    assert issued.status_code == 201, issued.text
    return issued.json(), Caller(admin._client, issued.json()["key"])


def unauthorized(response: httpx.Response) -> bool:
    return response.status_code == 401


async def test_a_keys_secret_is_shown_once_and_stored_nowhere(platform: Platform, stored_in: str) -> None:
    headers = {"Idempotency-Key": str(uuid4())}

    issued = await platform.post(KEYS, {"name": "Ana"}, headers=headers)
    again = await platform.post(KEYS, {"name": "Ana"}, headers=headers)

    key = issued.json()
    assert again.content == issued.content
    assert key["key"].startswith(f"{key['hint']}_")
    listed = (await platform.get(KEYS)).json()["data"]
    assert listed[0] == {name: value for name, value in key.items() if name != "key"}
    dump = await everything_stored(stored_in)
    assert key["hint"].removeprefix("mpk_admin_") in dump
    assert key["key"].rpartition("_")[2] not in dump


async def test_keys_are_paged(platform: Platform) -> None:
    made = [(await issue(platform, name=f"Key {number}"))[0]["id"] for number in range(3)]

    first = (await platform.get(f"{KEYS}?limit=2")).json()
    second = (await platform.get(f"{KEYS}?limit=1&after={first['next_cursor']}")).json()

    assert [key["id"] for key in first["data"] + second["data"]] == made[::-1]


async def test_a_revoked_key_stops_and_stays_listed(platform: Platform) -> None:
    key, admin = await issue(platform)
    assert (await admin.get(KEYS)).status_code == 200

    revoked = await platform.post(f"{KEYS}/{key['id']}/revoke")
    again = await platform.post(f"{KEYS}/{key['id']}/revoke", {"force": True})

    problem(await admin.get(KEYS), 401, "unauthorized")
    assert revoked.json()["revoked_at"] is not None
    assert again.json() == revoked.json()
    assert revoked.json() in (await platform.get(KEYS)).json()["data"]


async def test_an_expired_key_stops(platform: Platform) -> None:
    soon = (datetime.now(UTC) + timedelta(milliseconds=400)).isoformat()
    _, admin = await issue(platform, expires_at=soon)

    await admin.get_until(KEYS, unauthorized)


async def test_what_cannot_be_an_expiry_is_refused(platform: Platform) -> None:
    past = await platform.post(KEYS, {"name": "Ana", "expires_at": "2020-01-01T00:00:00Z"})
    everything = await platform.post(KEYS, {"name": "", "expires_at": "tomorrow", "force": True})

    assert violations(past) == {"/expires_at": "expires_at_past"}
    assert violations(everything).keys() == {"/name", "/expires_at", "/force"}


async def test_a_rotated_key_works_until_the_overlap_ends(platform: Platform, stored_in: str) -> None:
    old, before = await issue(platform)
    headers = {"Idempotency-Key": str(uuid4())}

    rotated = await before.post(f"{KEYS}/{old['id']}/rotate", {"overlap_seconds": 3600}, headers=headers)
    again = await before.post(f"{KEYS}/{old['id']}/rotate", {"overlap_seconds": 3600}, headers=headers)

    assert rotated.status_code == 201
    assert again.content == rotated.content
    after = Caller(platform.client, rotated.json()["key"])
    assert [(await each.get(KEYS)).status_code for each in (before, after)] == [200, 200]
    assert rotated.json()["replaces"]["id"] == old["id"]
    assert rotated.json()["replaces"]["expires_at"] is not None
    assert rotated.json()["key"].rpartition("_")[2] not in await everything_stored(stored_in)

    ended = await after.post(f"{KEYS}/{old['id']}/rotate", {"overlap_seconds": 0})

    assert ended.status_code == 201
    problem(await before.get(KEYS), 401, "unauthorized")
    problem(await after.post(f"{KEYS}/{old['id']}/rotate", {"overlap_seconds": 0}), 409, "state_conflict")


async def test_a_key_does_not_end_itself_without_force(platform: Platform) -> None:
    key, admin = await issue(platform)

    refusals = [
        await admin.post(f"{KEYS}/{key['id']}/revoke"),
        await admin.post(f"{KEYS}/{key['id']}/rotate", {"overlap_seconds": 0}),
    ]
    forced = await admin.post(f"{KEYS}/{key['id']}/revoke", {"force": True})

    for refusal in refusals:
        [reason] = problem(refusal, 409, "force_required")["errors"]
        assert (reason["pointer"], reason["code"]) == ("/force", "own_admin_key")
    assert forced.json()["revoked_at"] is not None
    problem(await admin.get(KEYS), 401, "unauthorized")


async def test_an_unreadable_body_revokes_nothing(platform: Platform) -> None:
    key, admin = await issue(platform)
    headers = {"Content-Type": "application/json"}

    answer = await platform.request("POST", f"{KEYS}/{key['id']}/revoke", content=b"{", headers=headers)

    problem(answer, 400, "malformed_json")
    assert (await admin.get(KEYS)).status_code == 200


@pytest.fixture
async def two_processes(
    postgres_server: EmbeddedPostgres, _migrated_template: str, logins: Logins, redis_url: str, sandbox_url: str
) -> AsyncIterator[tuple[Application, Caller, Caller]]:
    """Two API processes' applications on one database without any key, and callers of each without one yet."""
    async for stored_in in _database(postgres_server, template=_migrated_template):
        settings = load(
            Settings,
            {
                **database_settings(stored_in, logins),
                "APP_REDIS_URL": redis_url,
                "APP_MASTER_KEY": bytes(range(32)).hex(),
                "APP_DATABASE_POOL_SIZE": "2",
                "APP_WEBHOOKS_PUBLIC_URL": "https://hooks.example.com",
                "APP_SANDBOX_BASE_URL": sandbox_url,
                "APP_FAILED_KEYS_PER_MINUTE": "0",
            },
        )
        async with open_resources(settings) as one, open_resources(settings) as two:
            here, there = build(settings, one, worker="one"), build(settings, two, worker="two")
            apps: list[ASGIApp] = [create_app(each) for each in (here, there)]
            async with started(apps[0]), started(apps[1]), client(apps[0]) as first, client(apps[1]) as second:
                yield here, Caller(first, ""), Caller(second, "")


def client(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Litestar's scopes are stricter than httpx's
    return httpx.AsyncClient(transport=transport, base_url="http://api.test")


async def test_a_key_revoked_in_one_process_is_soon_refused_by_another(
    two_processes: tuple[Application, Caller, Caller],
) -> None:
    application, here, there = two_processes
    lasting = await application.access.issue_admin_key()(name="lasting")
    key = await application.access.issue_admin_key()(name="short")
    here.key, there.key = lasting.key, key.key
    assert (await there.get(KEYS)).status_code == 200

    revoked = await here.post(f"{KEYS}/{key.id}/revoke")
    minted = await there.post(KEYS, {"name": "successor"})

    assert revoked.status_code == 200
    assert minted.status_code == 401
    await there.get_until(KEYS, unauthorized)


async def test_the_command_line_needs_no_key_and_keeps_the_last_one_too(
    two_processes: tuple[Application, Caller, Caller],
) -> None:
    application, here, _ = two_processes
    settings = application.settings()
    first = await administration.create_admin_key(settings, "first")

    with pytest.raises(DomainError, match="lock themselves out"):
        await administration.revoke_admin_key(settings, first.id, force=False)
    rotated = await administration.rotate_admin_key(
        settings, first.id, overlap=timedelta(), expires_at=None, force=False
    )
    listed = await administration.list_admin_keys(settings, page=1)

    assert [key.id for key in listed] == [rotated.id, first.id]
    here.key = rotated.key
    assert (await here.get(KEYS)).status_code == 200
    assert (await administration.revoke_admin_key(settings, rotated.id, force=True)).revoked_at is not None
    await here.get_until(KEYS, unauthorized)
