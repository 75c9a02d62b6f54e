"""The routes about deliveries of callbacks, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.v1.callbacks.deliveries import EndpointDeliveriesController, EventDeliveriesController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (EndpointDeliveriesController, EventDeliveriesController)


def router(deliveries: UseCases) -> Router:
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "list_attempts": use_case(deliveries.list_attempts()),
            "find_deliveries": use_case(deliveries.find_deliveries()),
            "find_endpoint_health": use_case(deliveries.find_health()),
            "pause_endpoint": use_case(deliveries.pause()),
            "enable_endpoint": use_case(deliveries.enable()),
            "replay_event": use_case(deliveries.replay()),
        },
    )
