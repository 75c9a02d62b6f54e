"""Can a route be added without a guard? Every route is a tenant's, an administrator's, or listed here as open."""

from litestar.handlers import HTTPRouteHandler

from messaging.entrypoints.api.probes import ProbesController
from messaging.entrypoints.api.reference.openapi import ADMIN_CONTROLLERS, TENANT_CONTROLLERS
from messaging.entrypoints.api.reference.pages import ReferenceController

OPEN = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/{name:str}",
    "/problems",
    "/problems/{code:str}",
    "/favicon.ico",
}


def test_guarded_controllers_stay_on_their_own_surface() -> None:
    assert all(str(vars(controller)["path"]).startswith("/v1/") for controller in TENANT_CONTROLLERS)
    assert all(str(vars(controller)["path"]).startswith("/admin/v1/") for controller in ADMIN_CONTROLLERS)


def test_the_open_routes_are_exactly_these() -> None:
    found = {
        path
        for controller in (ProbesController, ReferenceController)
        for handler in vars(controller).values()
        if isinstance(handler, HTTPRouteHandler)
        for path in handler.paths
    }

    assert found == OPEN
