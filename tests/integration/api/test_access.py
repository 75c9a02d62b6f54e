"""Who gets in with which key, and does everybody else learn as little as possible?"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from messaging.application.access.keys import KeyKind, make_key
from tests.integration.api.answers import problem
from tests.integration.api.callers import Platform, Shop

BAD_KEYS: list[tuple[str, Callable[[str], dict[str, str]]]] = [
    ("none", lambda key: {}),
    ("empty", lambda key: {"Authorization": ""}),
    ("basic", lambda key: {"Authorization": f"Basic {key}"}),
    ("mistyped", lambda key: {"Authorization": f"Bearer {key[:-1]}"}),
    ("unknown", lambda key: {"Authorization": f"Bearer {make_key(KeyKind.TEST, secrets.choice).reveal()}"}),
    ("unknown admin", lambda key: {"Authorization": f"Bearer {make_key(KeyKind.ADMIN, secrets.choice).reveal()}"}),
    ("not ascii", lambda key: {"Authorization": "Bearer mpk_test_é"}),
]


# A key of the other surface is told so: its kind stands in its beginning, and says nothing of whether it exists.
OTHER_KIND = {("/v1/messages", "unknown admin"), ("/admin/v1/tenants", "mistyped"), ("/admin/v1/tenants", "unknown")}
SURFACES = ("/v1/messages", "/admin/v1/tenants")


@pytest.mark.parametrize(
    "path, headers",
    [
        pytest.param(path, make, id=f"{path}-{name}")
        for path in SURFACES
        for name, make in BAD_KEYS
        if (path, name) not in OTHER_KIND and not (path.startswith("/admin") and name == "not ascii")
    ],
)
async def test_every_bad_key_gets_the_same_401(
    platform: Platform, headers: Callable[[str], dict[str, str]], path: str
) -> None:
    shop = await platform.bare_shop()
    encoded = {name.encode(): value.encode() for name, value in headers(shop.key).items()}
    response = await platform.client.get(path, headers=encoded | {b"X-Request-Id": b"same"})
    other = await platform.client.get(path, headers={"X-Request-Id": "same"})

    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == 'Bearer realm="messaging"'
    assert response.content == other.content


async def test_neither_kind_of_key_opens_the_other_surface_and_is_told_which_does(platform: Platform) -> None:
    shop = await platform.bare_shop()

    tenants = problem(await shop.get("/admin/v1/tenants"), 401, "unauthorized")
    admins = problem(await platform.get("/v1/messages"), 401, "unauthorized")

    assert "This is a tenant's key" in tenants["detail"]
    assert "This is a platform administrator's key" in admins["detail"]


@pytest.mark.parametrize("kind, path", [(KeyKind.ADMIN, "/v1/messages"), (KeyKind.TEST, "/admin/v1/tenants")])
async def test_a_key_of_the_other_kind_is_answered_the_same_whether_it_exists_or_not(
    platform: Platform, kind: KeyKind, path: str
) -> None:
    shop = await platform.bare_shop()
    existing = platform.key if kind is KeyKind.ADMIN else shop.key
    keys = (existing, make_key(kind, secrets.choice).reveal())

    answers = [
        await platform.client.get(path, headers={"Authorization": f"Bearer {key}", "X-Request-Id": "same"})
        for key in keys
    ]

    assert answers[0].content == answers[1].content


async def test_a_secret_of_another_key_does_not_open_this_one(platform: Platform) -> None:
    one, two = await platform.bare_shop(), await platform.bare_shop()
    mixed = one.key[:22] + two.key[22:]

    response = await platform.client.get("/v1/key", headers={"Authorization": f"Bearer {mixed}"})

    problem(response, 401, "unauthorized")


async def test_a_revoked_key_stops_working(platform: Platform) -> None:
    tenant = await platform.tenant()
    issued = await platform.issue_key(tenant)
    shop = Shop(platform.client, issued["key"], tenant)
    assert (await shop.get("/v1/key")).status_code == 200

    revoked = await platform.post(f"/admin/v1/tenants/{tenant}/keys/{issued['id']}/revoke")

    assert revoked.json()["revoked_at"] is not None
    await shop.get_until("/v1/key", lambda response: response.status_code == 401)


async def test_an_expired_key_does_not_work(platform: Platform) -> None:
    tenant = await platform.tenant()
    soon = (datetime.now(UTC) + timedelta(milliseconds=400)).isoformat()
    issued = await platform.post(
        f"/admin/v1/tenants/{tenant}/keys", {"name": "short", "mode": "test", "expires_at": soon}
    )
    shop = Shop(platform.client, issued.json()["key"], tenant)

    await shop.get_until("/v1/key", lambda response: response.status_code == 401)


async def test_a_suspended_tenants_key_answers_403_until_it_is_active_again(platform: Platform) -> None:
    shop = await platform.bare_shop()
    assert (await shop.get("/v1/key")).status_code == 200

    await platform.patch(f"/admin/v1/tenants/{shop.tenant}", {"status": "suspended"})
    await shop.get_until("/v1/key", lambda response: response.status_code == 403)
    problem(await shop.get("/v1/key"), 403, "tenant_suspended")

    await platform.patch(f"/admin/v1/tenants/{shop.tenant}", {"status": "active"})
    await shop.get_until("/v1/key", lambda response: response.status_code == 200)
