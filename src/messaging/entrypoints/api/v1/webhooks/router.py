"""The routes about providers' webhooks, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.v1.webhooks.provider_events import ProviderEventsController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (ProviderEventsController,)


def router(webhooks: UseCases) -> Router:
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "list_provider_events": use_case(webhooks.list_events()),
            "find_provider_event": use_case(webhooks.find_event()),
        },
    )
