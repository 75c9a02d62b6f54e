"""What the public listener leaves to the operators' one, once there are two."""

import httpx
import pytest
from litestar.types import ASGIApp

from messaging.entrypoints.http_server.surfaces import public_only
from tests.integration.api.answers import problem
from tests.integration.api.callers import Platform, Shop

PRIVATE = (
    "/admin/v1/tenants",
    "//admin//v1/tenants",
    "/%61dmin/v1/tenants",
    "/admin/v1/tenants/",
    "/metrics",
    "/metrics/",
    "/docs",
    "/docs/start.js",
    "/openapi.json",
)


@pytest.fixture
def public(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(public_only(app))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://api.test")


@pytest.mark.parametrize("path", PRIVATE)
async def test_private_paths_are_on_the_operators_listener_only(
    path: str, platform: Platform, public: httpx.AsyncClient
) -> None:
    headers = {"Authorization": f"Bearer {platform.key}"}

    problem(await public.get(path, headers=headers), 404, "route_not_found")
    if "//" not in path:
        assert (await platform.get(path)).status_code == 200


async def test_tenants_and_probes_are_served_on_both(public: httpx.AsyncClient, quiet_shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {quiet_shop.key}"}

    assert (await public.get("/v1/key", headers=headers)).json() == (await quiet_shop.get("/v1/key")).json()
    assert (await public.get("/problems/rate_limited")).status_code == 200
    assert (await public.get("/healthz")).status_code == 200


async def test_the_public_readiness_tells_no_details(public: httpx.AsyncClient, platform: Platform) -> None:
    brief, whole = await public.get("/readyz"), await platform.get("/readyz")

    assert (brief.status_code, whole.status_code) == (200, 200)
    assert brief.json() == {"status": "ready"}
    assert whole.json()["checks"]
