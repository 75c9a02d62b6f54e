"""The routes about the tenant that asks, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.v1.tenant.health import HealthController
from messaging.entrypoints.api.v1.tenant.key import KeyController
from messaging.entrypoints.api.v1.tenant.preferences import SettingsController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (HealthController, KeyController, SettingsController)


def router(tenants: UseCases) -> Router:
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "find_health": use_case(tenants.find_health()),
            "who_am_i": use_case(tenants.who_am_i()),
            "find_preferences": use_case(tenants.find_preferences()),
            "change_preferences": use_case(tenants.change_preferences()),
        },
    )
